"""One rule for labels, whatever holds them: cells, values of JSON, parquet columns, arrays, texts of shards."""

import math
import re
from typing import Any

import numpy as np

from core.errors import DatasetInvalid

MAX_CHARACTERS = 1000  # of a class
_WHOLE = re.compile(r"^[+-]?\d+(\.0*)?$")
_COMMA = re.compile(r"^[+-]?\d+,\d+$")
_NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$", re.IGNORECASE)
_MISSING_TEXTS = frozenset({"", "nan", "null", "<na>", "#n/a"})  # as pandas and spreadsheets write them


def is_missing(value: Any) -> bool:
    """Whether a value says that there is no label: null, NaN or an empty text. `none` may be a class."""
    if isinstance(value, str):
        return value.strip().casefold() in _MISSING_TEXTS
    return value is None or (isinstance(value, float) and math.isnan(value))


def check_length(text: Any, where: str) -> None:
    """Raise DatasetInvalid for a text that is too long for a class."""
    if isinstance(text, str | bytes) and len(text) > MAX_CHARACTERS:
        raise DatasetInvalid(
            f"{where}: the label {text[:40]!r}... has {len(text)} characters; allowed are {MAX_CHARACTERS}",
            hint="name the column of classes in dataset.label_column; a text of this length describes an image",
            pointer="/dataset/label_column",
        )


def label_text(value: Any, where: str) -> str:
    """The class that one value names. A whole number is its digits, be it 1 or 1.0; a text is itself.

    Raises DatasetInvalid for any other: a fraction is a measurement, a list is several classes.
    """
    check_length(value, where)
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, str) and not is_missing(value):
        return value
    raise DatasetInvalid(
        f"{where}: the label {value!r} is neither a whole number nor a text",
        hint="a class is named by a text or a whole number; a row of several labels or a measurement is none",
        pointer="/dataset/label_column",
    )


def column_texts(texts: list[str], where: str) -> list[str]:
    """The classes of a column of texts, which knows no types: numbers in it follow the rule of numbers.

    Where every text is a number, `1.0` is the class 1. Raises DatasetInvalid where one of them is a fraction.
    """
    stripped = [text.strip() for text in texts]
    if any(map(_COMMA.match, stripped)) and all(_COMMA.match(text) or text.isdecimal() for text in stripped):
        raise DatasetInvalid(
            f"{where}: the label {next(filter(_COMMA.match, stripped))!r} is a number with a comma: a fraction, "
            "thousands, or two labels",
            hint="write classes as whole numbers or texts",
            pointer="/dataset/label_column",
        )
    if not all(_NUMBER.match(text) for text in stripped) or all(text.isdecimal() for text in stripped):
        return texts
    fraction = next((text for text in stripped if not _WHOLE.match(text) and not float(text).is_integer()), None)
    if fraction is not None:
        raise DatasetInvalid(
            f"{where}: the label {fraction!r} is a fraction among numbers, and no class",
            hint="name the column of classes in dataset.label_column",
            pointer="/dataset/label_column",
        )
    return [text if text.isdecimal() else _whole(text, where) for text in stripped]


def _whole(text: str, where: str) -> str:
    """The digits of a whole number that is written with a sign, a fraction of zeros or an exponent."""
    try:
        return str(int(text.partition(".")[0]) if _WHOLE.match(text) else int(float(text)))
    except (ValueError, OverflowError):  # more digits than Python reads; beyond any float
        raise DatasetInvalid(
            f"{where}: the label {text[:40]!r}... is too large a number", pointer="/dataset/label_column"
        ) from None
