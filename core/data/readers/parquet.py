"""Parquet in the Hugging Face layout, told here and read in core.data.parquet_rows."""

from core.data.listing import Listing
from core.data.reading import Reader, Reading
from core.data.tree import Tree


def parquet_paths(tree: Tree) -> list[str]:
    """Files that end in .parquet, or the single file that starts as one."""
    named = [path for path in tree.paths if path.lower().endswith(".parquet")]
    return named or [path for path in tree.paths if len(tree.paths) == 1 and tree.head(path, 4) == b"PAR1"]


def _read(reading: Reading) -> Listing:
    from core.data import parquet_rows  # here, for pyarrow takes 30 MB

    return parquet_rows.read(reading, parquet_paths(reading.tree))


READERS = (Reader("parquet", 30, lambda reading: bool(parquet_paths(reading.tree)), _read),)
