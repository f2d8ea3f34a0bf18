"""Values of secrets taken out of what an engine says, in case a library quotes them in an error."""

import base64
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
    """The value, also in base64 as HTTP sends a user and password; the texts in a JSON object; of a URI the user
    information and the values of its query; of any other text what stands between its colons and spaces."""
    value = value.strip()
    yield value
    yield base64.b64encode(value.encode()).decode()
    for text in _texts(value):
        yield text
        if "://" in text:
            yield from _parts_of_uri(text)
        else:
            yield from (*text.split(":"), *text.replace(":", " ").split())


def _texts(value: str) -> list[str]:
    """Those in a JSON object, else the value itself."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = None
    return [item for item in found.values() if isinstance(item, str)] if isinstance(found, dict) else [value]


def _parts_of_uri(uri: str) -> Iterator[str]:
    head, _, query = uri.partition("?")
    parts = head.partition("://")[2].rpartition("@")[0].split(":")
    parts += [pair.partition("=")[2] for pair in query.split("&")]
    for part in parts:
        yield part
        yield unquote(part)
