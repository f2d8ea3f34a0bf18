"""Columns of parquet files, read in batches small enough that no batch can fill the memory.

A file of some kilobytes can stand for gigabytes: a dictionary holds a value once and the rows name it millions of
times. So labels stay dictionaries, each different text in memory once, and of images no more than a row group that
tells the truth about its size can hold.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.budget import Budget
from core.data.labels import check_length
from core.data.tables.encoding import CELL_BYTES
from core.errors import DatasetInvalid

BATCH_ROWS = 256
BATCH_BYTES = 512 << 20  # of a batch in the worst case: each row the largest value that the group can hold
FREE_BYTES = 64 << 20  # of a row group, from which a value that repeats too often is refused
REPEATED = 2  # times that the values of an honest group of images stand for one value in the file
LABEL_ROWS = 65_536


def label_column(file: pq.ParquetFile, path: str, name: str, budget: Budget) -> list[list[Any]]:
    """The values of a column of numbers or texts, by row group; memory is taken from the budget.

    Raises DatasetInvalid for a damaged column, and for one whose values are lists or objects.
    """
    kind = file.schema_arrow.field(name).type
    if pa.types.is_nested(kind):
        raise DatasetInvalid(
            f"the column {name!r} of {path!r} holds {kind}; a class is a text or a whole number",
            hint="name the column of classes in dataset.label_column",
            pointer="/dataset/label_column",
        )
    budget.take_bytes(CELL_BYTES * file.metadata.num_rows, path)
    known: dict[Any, Any] = {}
    try:
        return [list(_labels(file, path, name, group, budget, known)) for group in range(file.num_row_groups)]
    except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: no text
        raise _damaged(path, f"the column {name!r}", error) from None


def _labels(
    file: pq.ParquetFile, path: str, name: str, group: int, budget: Budget, known: dict[Any, Any]
) -> Iterator[Any]:
    """The values of one row group; equal texts are one object."""
    for batch in file.iter_batches(batch_size=LABEL_ROWS, row_groups=[group], columns=[name]):
        column = batch.column(0)
        if not pa.types.is_dictionary(column.type):
            yield from column.to_pylist()
            continue
        texts = column.dictionary
        new = texts.nbytes if len(known) < len(texts) else 0
        budget.take_bytes(new, path)
        values = [known.setdefault(value, value) for value in texts.to_pylist()]
        for value in values:
            check_length(value, f"{path!r}, column {name!r}")
        yield from (None if code is None else values[code] for code in column.indices.to_pylist())


def image_column(file: pq.ParquetFile, path: str, name: str, group: int) -> pa.ChunkedArray:
    """The values of one row group. Raises DatasetInvalid where they are damaged, or far more than the file tells."""
    metadata = file.metadata.row_group(group)
    columns = [metadata.column(number) for number in range(metadata.num_columns)]
    told = sum(one.total_uncompressed_size for one in columns if one.path_in_schema.split(".")[0] == name)
    rows = min(BATCH_ROWS, max(1, BATCH_BYTES // max(1, told)))
    batches, held = [], 0
    try:
        for batch in file.iter_batches(batch_size=rows, row_groups=[group], columns=[name]):
            batches.append(batch.column(0))
            held += batch.nbytes
            if held > FREE_BYTES + REPEATED * told:
                raise DatasetInvalid(
                    f"row group {group} of {path!r} unpacks to more than {held} bytes, and tells {told}: the same "
                    "values repeat (a decompression bomb?)",
                    pointer="/dataset/uri",
                )
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, f"row group {group}", error) from None
    return pa.chunked_array(batches)


def _damaged(path: str, what: str, error: Exception) -> DatasetInvalid:
    return DatasetInvalid(f"{what} of {path!r} is damaged: {error}", pointer="/dataset/uri")
