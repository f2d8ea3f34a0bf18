"""Label tables: which image has which class, and if wanted its split. Paths are relative to the table."""

from functools import partial

from core.data.file_kinds import extension
from core.data.images import encoded_reader
from core.data.listing import Listing, Record
from core.data.members.merging import Membership
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
    membership = Membership() if any(record.split is not None for record in records) else reading.membership
    warnings += membership.warnings(records)
    records = membership.applied(records)
    counts.subtract(extension(path) for path in membership.paths)
    if not records:
        raise DatasetInvalid(f"{used[0].table.path!r} gives no image a label", pointer="/dataset/label_column")
    named = {record.key for record in records}
    unnamed = [path for path in reading.contents.images if path not in named and reading.rules.match(path) is None]
    if unnamed:
        passed["images that no table names"] += len(unnamed)
        warnings.append(notices.unnamed_warning(len(unnamed), unnamed[0], used))
    facts = tuple(map(notices.facts_of, used))
    return Listing(
        used[0].table.form,
        records,
        encoded_reader(reading.tree),
        passed_over=with_litter(passed, reading.tree),
        tables=facts,
        warnings=(
            *(
                notices.guess_warning(one)
                for one, candidate in zip(facts, used, strict=True)
                if candidate.columns is not None and candidate.columns.guessed
            ),
            *warnings,
            *notices.unused_tables([one for one in reading.choice.unused if one.table.path not in membership.paths]),
            *files_warning(+counts),
        ),
    )


READERS = tuple(Reader(form, 60, partial(recognizes, form=form), read) for form in ("csv", "jsonl", "json"))
