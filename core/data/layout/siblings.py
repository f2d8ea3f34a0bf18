"""Folders side by side that cannot all be classes or all be splits: which are neither, and what is undecided."""

from collections.abc import Mapping

from core.data.layout.folders import Node
from core.data.split_names import FILLERS, SplitWord, split_word, words_of
from core.errors import DatasetInvalid

# Folders that hold pictures about the images or about a training, but no images of classes.
SIDE_WORDS = frozenset(
    {
        "annotation", "annotations", "segmentation", "segmentations", "mask", "masks", "gt", "groundtruth", "labels",
        "label", "bbox", "bboxes", "xml", "xmls", "json", "runs", "run", "logs", "log", "plots", "plot", "figures",
        "figure", "figs", "results", "result", "output", "outputs", "checkpoints", "checkpoint", "weights", "models",
        "docs", "doc", "assets", "notebooks", "scripts", "code", "wandb", "tensorboard", "heatmaps", "visualizations",
        "visualization",
    }
)  # fmt: skip
UNLABELLED_WORDS = frozenset(
    {
        "pred", "preds", "predict", "prediction", "predictions", "unlabeled", "unlabelled", "inference", "submission",
    }
)  # fmt: skip
MASK_WORDS = frozenset({"annotation", "annotations", "segmentation", "segmentations", "mask", "masks", "gt", "labels"})
SHARED = 0.5  # of the folders inside, from which siblings hold the same classes
WAY_OUT = (
    "say it in dataset.splits: a pattern for a folder or file -> train, validation, test or ignore, as in "
    '{"extra": "ignore"}; {} where every folder is a class'
)


class Unclear(DatasetInvalid):
    """The folders can be read in two ways, or in none."""

    def __init__(self, message: str, hint: str = WAY_OUT) -> None:
        super().__init__(message, hint=hint, pointer="/dataset/splits")


def check_one_word_a_split(words: Mapping[str, SplitWord]) -> None:
    """Raise Unclear where two words mean the same split: `test` beside `evaluation`, `train` beside `trainval`."""
    seen: dict[str, str] = {}
    for name, word in words.items():
        first = seen.setdefault(word.split, name)
        if words[first].word != word.word:
            raise Unclear(f"both {first!r} and {name!r} could be the {word.split} split")


def check_classes(children: Mapping[str, Node], words: Mapping[str, SplitWord]) -> None:
    """Raise Unclear where folders with split names hold images side by side, and so are hardly classes."""
    splits = {word.split for word in words.values()}
    is_test = bool(splits & {"test", "validation"})
    if len(splits) > 1 or (is_test and len(children) > 1):
        listed = ", ".join(f"{name!r} ({children[name].num_images} images)" for name in words)
        raise Unclear(f"the names of the folders {listed} tell splits, and they hold no class folders")


def check_no_index(root: Node) -> None:
    """Raise Unclear where a folder repeats its siblings, or where classes are sorted into a folder for each letter."""
    names = set(root.children)
    for child in root.children.values():
        again = sorted(names & set(child.children))
        if len(again) > 1 and len(again) >= SHARED * (len(names) - 1):
            raise Unclear(
                f"the folder {child.path!r} holds the folders {', '.join(map(repr, again[:3]))} again, which lie "
                "beside it: the dataset is there twice"
            )
    if len(names) > 1 and all(_sorts_by_letter(child) for child in root.children.values()):
        raise Unclear(
            f"the folders {', '.join(map(repr, sorted(names)[:5]))} hold folders whose names start with that letter: "
            "these are the classes, or the letters are",
            hint='map the letters to train in dataset.splits, as in {"[a-z]": "train"}, where the inner folders are '
            "the classes; {} where the letters are",
        )


def _sorts_by_letter(node: Node) -> bool:
    name = node.name.casefold()
    return len(name) == 1 and node.is_nested and all(child.casefold().startswith(name) for child in node.children)


def odd_folders(odd: Mapping[str, Node], splits: set[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Of folders beside splits: those left out, and those of unlabelled images, with their numbers of images.

    Raises Unclear for any other, which could be a further split.
    """
    left_out: dict[str, int] = {}
    unlabelled: dict[str, int] = {}
    unknown: dict[str, Node] = {}
    for name, node in odd.items():
        words = set(words_of(name))
        flat = _innermost(node).is_flat
        if flat and words & UNLABELLED_WORDS:
            unlabelled[node.path] = node.num_images
        elif words & SIDE_WORDS:
            left_out[node.path] = node.num_images
        else:
            unknown[name] = node
    if unknown:
        listed = ", ".join(_described(name, node) for name, node in sorted(unknown.items()))
        raise Unclear(
            f"beside the splits {', '.join(sorted(map(repr, splits)))} lies what is none by its name: {listed}"
        )
    return left_out, unlabelled


def without_side_folders(root: Node, left_out: dict[str, int]) -> Node:
    """`root` without folders that repeat the classes of a folder `images` as masks or the like.

    Adds these to `left_out`. Raises Unclear where several folders hold the same class folders, or the same file names
    as a folder of masks: they could be classes, splits, versions or domains.
    """
    children = root.children
    if len(children) < 2:
        return root
    side = {name for name in children if set(words_of(name)) & SIDE_WORDS}
    main = {name for name in children if name not in side}
    if side and len(main) == 1 and set(words_of(next(iter(main)))) <= FILLERS:
        left_out.update({children[name].path: children[name].num_images for name in side})
        return Node(root.name, root.path, [], {name: children[name] for name in main})
    for name in sorted(name for name in side if set(words_of(name)) & MASK_WORDS):
        if _repeats(children[name], [children[other] for other in main]):
            raise Unclear(f"the folder {name!r} holds files of the same names as its siblings: masks, or a class?")
    if _same_inside(list(children.values())):
        listed = ", ".join(_described(name, node) for name, node in sorted(children.items())[:5])
        raise Unclear(f"several folders hold the same folders: {listed}; they could be splits, versions or classes")
    return root


def _innermost(node: Node) -> Node:
    while not node.images and len(node.children) == 1:
        node = next(iter(node.children.values()))
    return node


def _past_fillers(node: Node) -> Node:
    """The folder in it past single folders such as `images`."""
    while not node.images and len(node.children) == 1:
        child = next(iter(node.children.values()))
        if not set(words_of(child.name)) <= FILLERS:
            break
        node = child
    return node


def _same_inside(siblings: list[Node]) -> bool:
    """Whether all hold mostly the same folders, which name more than numbers such as dates."""
    if not all(node.is_nested for node in siblings):
        return False
    inside = [{name.casefold() for name in _past_fillers(node).children} for node in siblings]
    shared, all_names = set.intersection(*inside), set.union(*inside)
    named = {name for name in shared if split_word(name) is None and any(not w.isdecimal() for w in words_of(name))}
    return len(named) >= 2 and len(shared) >= SHARED * len(all_names)


def _repeats(side: Node, others: list[Node]) -> bool:
    def stems(node: Node) -> set[str]:
        names = (path.rpartition("/")[2].partition(".")[0] for path in node.walk())
        return {name for name in names if not name.isdecimal()}  # numbers are in every folder

    own = stems(side)
    elsewhere = {stem for other in others for stem in stems(other)}
    return bool(own) and len(own & elsewhere) >= SHARED * len(own)


def _described(name: str, node: Node) -> str:
    inside = sorted(node.children)
    told = f", with the folders {', '.join(map(repr, inside[:3]))}" if inside else ""
    word = split_word(name)
    hint = f", perhaps {word.split}" if word is not None else ""
    return f"{name!r} ({node.num_images} images{told}{hint})"
