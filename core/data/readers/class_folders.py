"""One folder a class: `<class>/**/<image>`, `<split>/<class>/**/<image>` or `<class>/<split>/<image>`."""

import posixpath
from collections import Counter

from core.data import warning_codes
from core.data.file_kinds import IMAGE_EXTENSIONS, listed
from core.data.images import encoded_reader
from core.data.layout.classes import Layout
from core.data.layout.emptiness import without_images
from core.data.listing import UNNAMED, Listing, Record
from core.data.passed_over import IGNORED_IMAGES, files_counts, files_warning, with_litter
from core.data.reading import Reader, Reading
from core.data.tables.notices import facts_of, flat_split_warning, unused_tables
from core.data.tree import Tree
from core.errors import DatasetInvalid
from core.events import JobWarning


def recognizes(reading: Reading) -> bool:
    """Whether the tree holds loose images."""
    return bool(reading.contents.images)


def read(reading: Reading) -> Listing:
    """The listing of class folders. Raises DatasetInvalid where the folders tell no classes, or could tell several."""
    tree = reading.tree
    if not reading.contents.images:
        raise DatasetInvalid(
            f"{tree.where!r} holds no image: {found(tree)}. Images end in {', '.join(sorted(IMAGE_EXTENSIONS))}, or "
            "start as such a file does",
            pointer="/dataset/uri",
        )
    layout, num_ignored = reading.layout
    flat = reading.choice.flat
    placed = _placed(reading)
    membership = reading.membership(placed)
    records = membership.applied(placed)
    unlabelled = _unlabelled(reading)
    explained = [*layout.left_out, *unlabelled]
    empty, others = without_images(tree, layout.class_parents, {r.label for r in placed}, explained, reading.rules)
    used = [*membership.paths, *(one.candidate.table.path for one in flat)]
    counts = files_counts(reading.contents, used)
    passed = counts.copy()
    for folder, count in {**layout.left_out, **unlabelled}.items():
        passed[f"images in {folder!r}"] += count
    if num_ignored:
        passed[IGNORED_IMAGES] += num_ignored
    return Listing(
        "folder",
        records,
        encoded_reader(tree),
        empty_classes=empty,
        passed_over=with_litter(passed, tree),
        tables=tuple(facts_of(one.candidate) for one in flat),
        warnings=(
            *_warnings(layout, unlabelled, others),
            *map(flat_split_warning, flat),
            *membership.warnings(placed),
            *unused_tables(membership.others(reading.choice.unused)),
            *files_warning(counts),
        ),
    )


def _placed(reading: Reading) -> list[Record]:
    """A record for each image whose class a folder gives, or a table of a split without class folders."""
    flat = ((path, label, one.split) for one in reading.choice.flat for path, label in one.labels.items())
    return [Record(path, label, split, path) for path, label, split in sorted([*reading.layout[0].placed, *flat])]


def _unlabelled(reading: Reading) -> dict[str, int]:
    """Folders without class folders -> their images that no table labels."""
    layout = reading.layout[0]
    labelled = {path for one in reading.choice.flat for path in one.labels}
    inside = {
        folder: sum(path.startswith(f"{folder}/") and path not in labelled for path in reading.contents.images)
        for folder in layout.flat
    }
    return layout.unlabelled | {folder: count for folder, count in inside.items() if count}


def _warnings(layout: Layout, unlabelled: dict[str, int], others: list[str]) -> tuple[JobWarning, ...]:
    warnings = []
    left_out = {**layout.left_out, **dict.fromkeys(others, 0)}
    if left_out:
        folders = ", ".join(f"{name!r} ({count} images)" for name, count in left_out.items())
        warnings.append(
            JobWarning(
                code=warning_codes.FOLDERS_LEFT_OUT,
                message=f"left out, as neither split nor class: {folders}",
                hint="if such a folder is a split or class, say so in dataset.splits",
                count=len(left_out),
            )
        )
    if layout.num_subfolders:
        warnings.append(
            JobWarning(
                code=warning_codes.CLASS_SUBFOLDERS,
                message=f"every class folder holds folders of images, {layout.num_subfolders} in all; each outer "
                "folder is one class",
                hint="if the inner folders are the classes, put them side by side, or map the outer folders to train "
                "in dataset.splits",
                count=layout.num_subfolders,
            )
        )
    if unlabelled:
        folders = ", ".join(f"{name!r} ({count} images)" for name, count in unlabelled.items())
        warnings.append(
            JobWarning(
                code=warning_codes.UNLABELLED_LEFT_OUT,
                message=f"left out, since the images lie in no class folders and no table labels them: {folders}",
                hint="sort these images into class folders, so that the student is tested with them",
                count=sum(unlabelled.values()),
            )
        )
    return tuple(warnings)


def is_flat(reading: Reading) -> bool:
    """Whether all images lie side by side in one folder, which then names no class."""
    return len({posixpath.dirname(path) for path in reading.contents.images}) == 1


def read_flat(reading: Reading) -> Listing:
    """The images of a flat folder, all of the class UNNAMED."""
    records = [Record(path, UNNAMED, "train", path) for path in reading.contents.images]
    return Listing("images", records, encoded_reader(reading.tree))


def found(tree: Tree) -> str:
    """The content of a tree, in few words."""
    kinds = Counter(posixpath.splitext(path)[1].lower() or "no extension" for path in tree.paths)
    return f"found {listed(kinds)}" if kinds else "it is empty"


READERS = (Reader("folder", 70, recognizes, read),)
