"""Measures the size of a dataset's images from the headers of some of them, without decoding."""

from statistics import median

from core.data.images import Unreadable, size_of
from core.data.resident import Read
from core.data.splits import Splits
from core.errors import DatasetInvalid

# Of so many files at most, spread evenly: enough for a median, and seconds on a cold disk.
MAX_HEADERS = 2048


def measure(splits: Splits, read: Read, max_pixels: int) -> tuple[tuple[int, int], int]:
    """Median height and width, and the longest side of all, from headers. Decoding tells of unreadable ones."""
    records = [record for members in splits.values() for record in members]
    step = -(-len(records) // MAX_HEADERS)
    sizes = []
    problem = ""
    for record in records[::step]:
        try:
            sizes.append(size_of(read(record.key), max_pixels))
        except (Unreadable, DatasetInvalid) as error:
            problem = problem or f"{record.name}: {error}"
    if not sizes:
        raise DatasetInvalid(f"no image can be read; the first: {problem}", pointer="/dataset/uri")
    heights, widths = zip(*sizes, strict=True)
    return (round(median(heights)), round(median(widths))), max(max(heights), max(widths))
