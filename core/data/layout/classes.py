"""From the paths of images to class and split of each: `<class>/**/<image>`, `<split>/<class>/**/<image>`, or
`<class>/<split>/<image>`; folders around everything, doubled folders and folders such as `images` are passed through.

Where the names and the structure allow two readings, `Unclear` says which, and how `dataset.splits` decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.data.layout.folders import Node, nodes
from core.data.layout.siblings import (
    Unclear,
    check_classes,
    check_no_index,
    check_one_word_a_split,
    odd_folders,
    without_side_folders,
)
from core.data.listing import SplitName
from core.data.split_names import FILLERS, SplitWord, sibling_splits, split_word, words_of
from core.data.split_rules import SplitRules

Placed = tuple[str, str, SplitName | None]  # path, class, split


@dataclass
class Layout:
    """Where every image belongs. Counts are images."""

    placed: list[Placed] = field(default_factory=list)
    class_parents: set[str] = field(default_factory=set)
    """Folders whose folders are classes; the root is ``."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Folders beside the splits or classes that are neither."""
    unlabelled: dict[str, int] = field(default_factory=dict)
    """Folders of images without labels by their names, such as `pred`."""
    flat: dict[str, SplitName] = field(default_factory=dict)
    """Folders of a validation or test split that hold images side by side, in no class folders."""
    has_splits: bool = False
    num_subfolders: int = 0
    """Folders inside class folders, where every class folder holds several and no image of its own."""

    def add(self, parent: Node, split: SplitName | None) -> None:
        """Take the folders in `parent` as classes."""
        self.class_parents.add(parent.path)
        if all(child.is_nested and len(child.children) > 1 for child in parent.children.values()):
            self.num_subfolders += sum(len(child.children) for child in parent.children.values())
        for child in parent.children.values():
            self.placed += [(path, child.name, split) for path in child.walk()]


def place(images: Sequence[str], rules: SplitRules) -> Layout:
    """Class and split of each image, by its folders. Raises Unclear."""
    layout = Layout()
    root = _unwrapped(nodes(images))
    if root.images and root.children:
        raise Unclear(
            f"{min(root.images)!r} lies in no class folder, beside {len(root.children)} folders with images; wanted: "
            "<class>/<image> or train/<class>/<image>"
        )
    if not root.children:
        raise Unclear(
            f"all {len(root.images)} images lie in one folder, which names no class",
            hint="sort the images into a folder for each class, or add a table with the columns image and label",
        )
    if not rules.reads_names:
        layout.add(root, None)
    elif not _place_splits(root, layout):
        main = _unwrapped(without_side_folders(root, layout.left_out))
        if main.path == root.path or not _place_splits(main, layout):
            _place_classes(main, layout)
    return layout


def _unwrapped(root: Node) -> Node:
    """The innermost folder that holds everything and is no class itself."""
    while not root.images and len(root.children) == 1:
        child = next(iter(root.children.values()))
        if child.images:
            break
        root = child
    return root


def _place_splits(root: Node, layout: Layout) -> bool:
    """Take the folders in `root` as splits, where they are some."""
    children = _opened(root)
    words = sibling_splits(list(children))
    inner = {name: class_parent(children[name], word.split) for name, word in words.items()}
    nested = {name for name in inner if inner[name].children}
    if not nested:
        check_classes(children, words)
        return False
    check_one_word_a_split({name: word for name, word in words.items() if name in nested})
    _check_train(nested, words, children)
    layout.has_splits = True
    for name, word in words.items():
        _place_split(inner[name], word, layout)
    odd = {name: node for name, node in children.items() if name not in words}
    left_out, unlabelled = odd_folders(odd, nested)
    layout.left_out.update(left_out)
    layout.unlabelled.update(unlabelled)
    return True


def _opened(root: Node) -> dict[str, Node]:
    """The folders in `root` by name, where one that holds nothing but splits is replaced by these:
    `dataset/train`, `dataset/val` and `test` are three."""
    told = sibling_splits(list(root.children))
    holding = {name: _split_parent(child) for name, child in root.children.items() if name not in told}
    around = [node for node in holding.values() if node is not None]
    if len(around) != 1:  # none, or domains with splits each
        return root.children
    child = around[0]
    inner = {f"{child.name}/{name}": node for name, node in child.children.items()}
    taken = {word.split for word in told.values()}
    if any(word.split in taken for word in sibling_splits(list(child.children)).values()):
        return root.children
    return {name: node for name, node in root.children.items() if holding.get(name) is None} | inner


def _split_parent(node: Node) -> Node | None:
    """The folder, in or below `node` past folders that hold a single one, whose folders are splits."""
    while not _holds_splits(node):
        if node.images or len(node.children) != 1:
            return None
        node = next(iter(node.children.values()))
    return node


def _holds_splits(node: Node) -> bool:
    """Whether all that a folder holds are splits with class folders."""
    words = sibling_splits(list(node.children))
    nested = all(child.is_nested for child in node.children.values())
    return node.is_nested and len(words) == len(node.children) and nested


def class_parent(node: Node, split: SplitName) -> Node:
    """The folder whose folders are the classes of a split: past doubled folders and folders such as `images`."""
    while not node.images and len(node.children) == 1:
        child = next(iter(node.children.values()))
        told = split_word(child.name)
        same = child.name.casefold() == node.name.casefold() or (told is not None and told.split == split)
        if not same and not set(words_of(child.name)) <= FILLERS:
            break
        node = child
    return node


def _check_train(nested: set[str], words: dict[str, SplitWord], children: dict[str, Node]) -> None:
    if len(nested) > 1 and all(words[name].split != "train" for name in nested):
        raise Unclear(
            f"the folders {', '.join(sorted(map(repr, nested)))} are splits, and none of them is for training"
        )


def _place_split(parent: Node, word: SplitWord, layout: Layout) -> None:
    if parent.is_nested:
        layout.add(parent, word.split)
    elif parent.children:
        raise Unclear(f"{min(parent.images)!r} lies in no class folder of the {word.split} split {parent.path!r}")
    elif word.split == "train":
        raise without_classes(parent.path, word.split, len(parent.images))
    else:
        layout.flat[parent.path] = word.split


def without_classes(folder: str, split: SplitName, num_images: int) -> Unclear:
    """The refusal of a split folder whose images nothing gives a class."""
    return Unclear(
        f"the {split} split {folder!r} has no class folders: its {num_images} images lie side by side",
        hint="sort them into class folders, add a table with the columns image and label, or leave them out in "
        f'dataset.splits, as in {{"{folder}": "ignore"}}',
    )


def _place_classes(root: Node, layout: Layout) -> None:
    """Take the folders in `root` as classes, or the folders in them as splits of each class."""
    check_no_index(root)
    words: dict[str, dict[str, SplitWord]] = {
        child.name: sibling_splits(list(child.children)) for child in root.children.values() if child.is_nested
    }
    complete = {name for name, told in words.items() if told and len(told) == len(root.children[name].children)}
    roles = {word.split for name in complete for word in words[name].values()}
    if len(roles) < 2:
        layout.add(root, None)
        return
    if len(complete) < len(root.children):
        odd = sorted(set(root.children) - complete)
        raise Unclear(f"some folders hold a folder for each split, and {', '.join(map(repr, odd))} does not")
    for child in root.children.values():
        check_one_word_a_split(words[child.name])
        for name, word in words[child.name].items():
            if child.children[name].children:
                raise Unclear(f"{child.children[name].path!r} holds folders: is {child.name!r} a class or a domain?")
            layout.placed += [(path, child.name, word.split) for path in child.children[name].walk()]
    layout.has_splits = True
    layout.class_parents.add(root.path)
