"""Files of a dataset that are not used: as one warning, and as figures for the plan."""

from collections import Counter
from collections.abc import Iterable, Mapping

from core.data import warning_codes
from core.data.file_kinds import Contents, extension, listed
from core.data.listing import SplitName
from core.data.tree import Tree
from core.events import JobWarning

LITTER = "litter of operating systems and tools"
IGNORED_FILES = "files that dataset.splits ignores"
IGNORED_IMAGES = "images that dataset.splits ignores"


def files_counts(contents: Contents, used: Iterable[str] = ()) -> Counter[str]:
    """Reason -> files beside the images that are not used; `used` are paths of tables that were read."""
    counts = Counter(contents.passed_over)
    counts.subtract(extension(path) for path in used)
    return +counts


def files_warning(counts: Counter[str]) -> tuple[JobWarning, ...]:
    """The warning that counts unused files by reason; none where every file is used."""
    total = sum(counts.values())
    if not total:
        return ()
    files = "file is" if total == 1 else "files are"
    return (
        JobWarning(
            code=warning_codes.FILES_PASSED_OVER,
            message=f"{total} {files} passed over: {listed(counts)}",
            hint="convert images of other formats to PNG, JPEG, WebP, TIFF or AVIF; other files need no action",
            count=total,
        ),
    )


def with_litter(counts: Counter[str], tree: Tree) -> dict[str, int]:
    """Reason -> unused files, the most frequent first, litter last."""
    ordered = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return ordered | ({LITTER: tree.num_litter} if tree.num_litter else {})


def unlabelled_warnings(unlabelled: Mapping[SplitName | None, int]) -> list[JobWarning]:
    """For each split none of whose images has a label, that it is left out."""
    return [
        JobWarning(
            code=warning_codes.UNLABELLED_LEFT_OUT,
            message=f"left out: none of the {count} images of the {split or 'unnamed'} split has a label",
            hint="give the labels, so that the student is measured with these images",
            count=count,
        )
        for split, count in unlabelled.items()
    ]
