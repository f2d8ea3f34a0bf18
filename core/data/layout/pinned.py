"""Images whose folder or name a pattern of `dataset.splits` matches."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.data.layout.classes import Layout, class_parent, place
from core.data.layout.folders import nodes
from core.data.layout.siblings import Unclear
from core.data.listing import SplitName
from core.data.split_rules import SplitRules


@dataclass
class Pinned:
    """What the patterns leave for the names to tell, and what they decide."""

    rest: list[str] = field(default_factory=list)
    by_folder: dict[tuple[str, SplitName], list[str]] = field(default_factory=lambda: defaultdict(list))
    """(matched folder, split) -> images below it."""
    by_file: dict[str, SplitName] = field(default_factory=dict)
    """Image whose own name matched -> split; its class is told as that of the rest."""
    num_ignored: int = 0


def place_all(images: Sequence[str], rules: SplitRules) -> tuple[Layout, int]:
    """Where each image belongs, by `rules` and then by the names of folders; how many images are ignored.

    Raises Unclear.
    """
    pinned = pin(images, rules)
    layout = place(pinned.rest, rules) if pinned.rest else Layout()
    place_pinned(pinned, layout)
    return layout, pinned.num_ignored


def pin(images: Sequence[str], rules: SplitRules) -> Pinned:
    """Sort `images` by what `rules` says of each."""
    pinned = Pinned()
    for path in images:
        match = rules.match(path)
        if match is None:
            pinned.rest.append(path)
        elif match.target == "ignore":
            pinned.num_ignored += 1
        elif match.depth > path.count("/"):
            pinned.by_file[path] = match.target
            pinned.rest.append(path)
        else:
            folder = "/".join(path.split("/")[: match.depth])
            pinned.by_folder[folder, match.target].append(path)
    return pinned


def place_pinned(pinned: Pinned, layout: Layout) -> None:
    """Add the images of matched folders to `layout`: their classes are the folders inside the matched one, or, where
    it holds images side by side, the folder around it. Raises Unclear where there is neither."""
    for (folder, split), images in pinned.by_folder.items():
        root = nodes(images)
        for name in folder.split("/"):
            root = root.children[name]
        parent = class_parent(root, split)
        around = folder.rpartition("/")[0]
        if parent.is_nested:
            layout.add(parent, split)
        elif parent.is_flat and around:
            layout.placed += [(path, around.rpartition("/")[2], split) for path in images]
        else:
            raise Unclear(
                f"the folder {folder!r}, which dataset.splits maps to {split}, holds {len(parent.images)} images that "
                "lie in no class folder"
            )
    layout.placed = [(path, label, pinned.by_file.get(path, split)) for path, label, split in layout.placed]
