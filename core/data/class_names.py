"""Class names as one spelling each: Unicode form, spaces, and names that are nearly the same."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from core.data import warning_codes
from core.data.listing import Listing, Record
from core.errors import LabelSpaceMismatch
from core.events import JobWarning

_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad]")
_WHOLE = re.compile(r"^\d{1,15}(\.0*)?$")
_SEPARATORS = re.compile(r"[\s_-]+")
MOST_LISTED = 8


def spelled(name: str) -> str:
    """A name in composed Unicode form, without outer or doubled spaces and without characters that nobody sees."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", name))
    return " ".join(text.split()) or name


def unify(listing: Listing) -> Listing:
    """The listing with every class under its one spelling; a warning tells of classes that became one."""
    variants: dict[str, set[str]] = defaultdict(set)
    for name in sorted({record.label for record in listing.records} | set(listing.empty_classes)):
        variants[spelled(name)].add(name)
    if all(names == {name} for name, names in variants.items()):
        return listing
    spellings = {old: new for new, names in variants.items() for old in names}
    records = [_respelled(record, spellings[record.label]) for record in listing.records]
    filled = {record.label for record in records}
    empty = {spellings[old]: what for old, what in listing.empty_classes.items() if spellings[old] not in filled}
    merged = {name: names for name, names in variants.items() if len(names) > 1}
    warnings = (*listing.warnings, *([_merged(merged)] if merged else []))
    return replace(listing, records=records, empty_classes=empty, warnings=warnings)


def check_similar(names: Iterable[str], chosen: Iterable[str] | None) -> tuple[JobWarning, ...]:
    """Refuse names that differ only by case, spaces, `_`, `-`, zeros or Unicode form: probably they are one class.

    Single letters are classes of their own, and so are names that `chosen` (dataset.classes) lists both; these give a
    warning. Names that are like none of the chosen do not matter. Raises LabelSpaceMismatch.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        groups[_key(name)].append(name)
    allowed = None if chosen is None else set(chosen)
    similar = [group for group in groups.values() if len(group) > 1 and (allowed is None or allowed & set(group))]
    undecided = [
        group for group in similar if not set(group) <= (allowed or set()) and any(len(name) > 1 for name in group)
    ]
    if undecided:
        first = undecided[0]
        raise LabelSpaceMismatch(
            f"classes differ only by case, spaces or form: {_listed(undecided)}",
            hint=f'if they are one class, merge them by dataset.class_map, as in {{"{first[1]}": "{first[0]}"}}; if '
            "they are several, name all of them in dataset.classes",
            pointer="/dataset/class_map",
        )
    if not similar:
        return ()
    message = f"classes that differ only by case, spaces or form are kept apart: {_listed(similar)}"
    return (JobWarning(code=warning_codes.CLASSES_SIMILAR, message=message, count=len(similar)),)


def _key(name: str) -> str:
    folded = _SEPARATORS.sub(" ", unicodedata.normalize("NFKC", name).casefold()).strip()
    if _WHOLE.match(folded):
        return str(int(float(folded)))
    return folded or name


def _respelled(record: Record, name: str) -> Record:
    return record if name == record.label else replace(record, label=name)


def _merged(merged: dict[str, set[str]]) -> JobWarning:
    listed = "; ".join(
        f"{' and '.join(map(_visible, sorted(names)))} are one class" for names in list(merged.values())[:MOST_LISTED]
    )
    return JobWarning(
        code=warning_codes.CLASSES_MERGED,
        message=f"names that differ only by spaces or Unicode form: {listed}",
        hint="rename them in the dataset where they are different classes",
        count=len(merged),
    )


def _visible(name: str) -> str:
    """A name in quotes, with what nobody sees written out."""
    plain = all(c.isprintable() and not unicodedata.combining(c) for c in name)
    return repr(name) if plain else ascii(name)


def _listed(groups: list[list[str]]) -> str:
    return "; ".join(" and ".join(map(_visible, group)) for group in groups[:MOST_LISTED])
