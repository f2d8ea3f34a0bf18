"""Facts and warnings about label tables: how they were read, which are not used, which images they do not name."""

from collections.abc import Sequence

from core.data import warning_codes
from core.data.tables.candidates import Candidate
from core.data.tables.flat_splits import FlatSplit
from core.events import JobWarning, TableFacts


def facts_of(candidate: Candidate) -> TableFacts:
    """How a table that is used was read."""
    table, columns = candidate.table, candidate.columns
    assert columns is not None
    return TableFacts(
        path=table.path,
        encoding=table.encoding,
        delimiter=table.delimiter,
        has_header=table.has_header,
        image_column=columns.image,
        label_column=columns.label,
        split_column=columns.split,
        num_rows=len(table.rows),
    )


def guess_warnings(used: Sequence[Candidate], facts: Sequence[TableFacts]) -> list[JobWarning]:
    """A warning for each table whose columns were found by their names or content."""
    pairs = zip(used, facts, strict=True)
    return [_guess_warning(told) for one, told in pairs if one.columns is not None and one.columns.guessed]


def _guess_warning(facts: TableFacts) -> JobWarning:
    """That the columns or the header of a table were found rather than named."""
    header = "its header" if facts.has_header else "no header"
    return JobWarning(
        code=warning_codes.TABLE_GUESSED,
        message=f"the classes come from {facts.path!r} ({header}; {facts.num_rows} rows): images by the column "
        f"{facts.image_column!r}, classes by {facts.label_column!r}",
        hint="name other columns in dataset.image_column and dataset.label_column, or set dataset.format to folder",
    )


def flat_split_warning(flat: FlatSplit) -> JobWarning:
    """That a table gives the classes of a split folder without class folders."""
    columns = flat.candidate.columns
    assert columns is not None
    return JobWarning(
        code=warning_codes.TABLE_GUESSED,
        message=f"the classes of the {flat.split} split {flat.folder!r} come from {flat.candidate.table.path!r} "
        f"({len(flat.labels)} images): images by the column {columns.image!r}, classes by {columns.label!r}",
        hint=f'to leave these images out, say so in dataset.splits, as in {{"{flat.folder}": "ignore"}}',
        count=len(flat.labels),
    )


def unused_tables(unused: Sequence[Candidate]) -> list[JobWarning]:
    """A warning for each table beside the images that could give classes and is not used."""
    return [
        JobWarning(
            code=warning_codes.TABLE_UNUSED,
            message=f"the table {one.table.path!r} (columns {', '.join(one.table.columns)}) is not used: "
            + (one.problem or "the classes come from elsewhere"),
            hint="name its columns in dataset.image_column and dataset.label_column where it should give the classes",
        )
        for one in unused
        if one.table.rows and (len(one.table.columns) > 1 or one.share_found)
    ]


def unlabelled_warning(candidate: Candidate, count: int) -> JobWarning:
    """That a table has no labels."""
    return JobWarning(
        code=warning_codes.UNLABELLED_LEFT_OUT,
        message=f"left out: none of the {count} rows of {candidate.table.path!r} has a label",
        hint="give the labels, so that the student is tested with these images",
        count=count,
    )


def unnamed_warning(count: int, example: str, used: Sequence[Candidate]) -> JobWarning:
    """That images lie beside the tables without a row."""
    tables = ", ".join(repr(one.table.path) for one in used)
    images = "image is" if count == 1 else "images are"
    return JobWarning(
        code=warning_codes.IMAGES_NOT_IN_TABLE,
        message=f"{count} {images} named by no row of {tables} and left out, such as {example!r}",
        hint="add rows for them where they should be used",
        count=count,
    )
