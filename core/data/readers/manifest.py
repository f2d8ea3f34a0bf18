"""Label tables: which image has which class, and if wanted its split. Paths are relative to the table."""

from functools import partial

from core.data.file_kinds import extension
from core.data.images import encoded_reader
from core.data.listing import Listing, Record
from core.data.passed_over import IGNORED_IMAGES, files_counts, files_warning, with_litter
from core.data.reading import Reader, Reading
from core.data.tables import notices
from core.data.tables.rows import records_of
from core.errors import DatasetInvalid
from core.events import JobWarning


def recognizes(reading: Reading, form: str) -> bool:
    """Whether tables of this form give the classes."""
    used = reading.choice.used
    return bool(used) and used[0].table.form == form


def read(reading: Reading) -> Listing:
    """The records of all tables that are the dataset's. Raises DatasetInvalid."""
    used = reading.choice.used
    records: list[Record] = []
    warnings: list[JobWarning] = []
    counts = files_counts(reading.contents, [one.table.path for one in used])
    passed = counts.copy()
    for candidate in used:
        rows = records_of(candidate, reading.choice.images, reading.rules)
        records += rows.records
        if rows.num_unlabelled:
            warnings.append(notices.unlabelled_warning(candidate, rows.num_unlabelled))
        if rows.num_ignored:
            passed[IGNORED_IMAGES] += rows.num_ignored
    if not records:
        raise DatasetInvalid(f"{used[0].table.path!r} gives no image a label", pointer="/dataset/label_column")
    named = {record.key for record in records}
    membership = reading.membership(records)
    warnings += membership.warnings(records)
    counts.subtract(extension(path) for path in membership.paths)
    unnamed = [path for path in reading.contents.images if path not in named and reading.rules.match(path) is None]
    if unnamed:
        passed["images that no table names"] += len(unnamed)
        warnings.append(notices.unnamed_warning(len(unnamed), unnamed[0], used))
    facts = tuple(map(notices.facts_of, used))
    return Listing(
        used[0].table.form,
        membership.applied(records),
        encoded_reader(reading.tree),
        passed_over=with_litter(passed, reading.tree),
        tables=facts,
        warnings=(
            *notices.guess_warnings(used, facts),
            *warnings,
            *notices.unused_tables(membership.others(reading.choice.unused)),
            *files_warning(+counts),
        ),
    )


READERS = tuple(Reader(form, 60, partial(recognizes, form=form), read) for form in ("csv", "jsonl", "json"))
