"""Values of secrets taken out of what an engine says, in case a library quotes them in an error."""

import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote

SHOWN = b"***"
MIN_CHARACTERS = 6  # shorter parts are words that may stand anywhere


def hidden_texts(values: Iterable[str]) -> tuple[bytes, ...]:
    """What must not be shown of the secrets: each value, its parts, and how JSON and URLs write them; the longest
    first."""
    parts = {part for value in values for part in _parts(value) if len(part) >= MIN_CHARACTERS}
    written = {form for part in parts for form in (part, json.dumps(part)[1:-1], quote(part), quote(part, safe=""))}
    return tuple(sorted((form.encode() for form in written), key=len, reverse=True))


def without(line: bytes, hidden: tuple[bytes, ...]) -> bytes:
    """The line with each hidden text replaced."""
    for text in hidden:
        if text in line:
            line = line.replace(text, SHOWN)
    return line


def _parts(value: str) -> Iterator[str]:
    """The value, the words of an Authorization header, the texts in a JSON object; of a URI the user information and
    the values of its query."""
    value = value.strip()
    yield value
    try:
        found = json.loads(value)
        yield from (item for item in found.values() if isinstance(item, str)) if isinstance(found, dict) else ()
    except (ValueError, RecursionError):
        pass
    head, _, query = value.partition("?")
    if "://" in value:
        yield from head.partition("://")[2].rpartition("@")[0].split(":")
        for pair in query.split("&"):
            yield pair.partition("=")[2]
            yield unquote(pair.partition("=")[2])
    else:
        yield from value.replace(" ", ":").split(":")
