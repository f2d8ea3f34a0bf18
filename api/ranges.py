"""Byte ranges of RFC 9110 section 14: one range a request."""

import re

# Numbers of more digits are beyond any file; such a range is ignored, as the RFC allows.
_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*$", re.IGNORECASE)


class Unsatisfiable(Exception):
    """The range lies wholly outside of the content."""


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """`start, stop` (stop exclusive) within `size` bytes; None where the whole is to be sent.

    As the RFC allows, several ranges at once and what is no byte range are ignored. Raises Unsatisfiable.
    """
    match = _RANGE.match(header or "")
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < int(first):
            return None
    if start >= size or start >= stop:
        raise Unsatisfiable
    return start, stop
