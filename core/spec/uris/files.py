"""file: URIs: which path one means, and whether it may and can be read on this machine."""

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import unquote_to_bytes

from core.errors import near_misses
from core.spec.uris.reason import Unreachable

MOST_NAMES = 5000  # of a folder, looked through for names like the one that is missing


def find(uri: str, roots: Sequence[Path]) -> Path:
    """The file or folder that a file: URI names, links resolved; raises Unreachable with the reason.

    It must be inside one of the `roots`. Every character after file:// belongs to the path, `#` and `?` too. What a
    URI library escaped is unescaped (%20 is a space); a path that is named with its own % signs is found as well.
    """
    first, *others = _paths(uri)
    try:
        return _readable(first, roots)
    except Unreachable:
        for path in others:
            if path.exists():
                return _readable(path, roots)
        raise


def _paths(uri: str) -> tuple[Path, ...]:
    """What a file: URI may mean, the likelier first: its path with %XX read as a byte (RFC 8089), and as it is written.

    A file URI has no query and no fragment: `file:///data/set#2` and `file:///data/100%` are what a person wrote who
    pasted a path. Raises Unreachable for a host other than this machine, and for what is no absolute path.
    """
    rest = uri.partition(":")[2]
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host not in ("", "localhost"):
            raise Unreachable(
                f"names the host {host!r}; a file URI starts with file:/// and reads the engine's machine"
            )
        rest = slash + path
    decoded = os.fsdecode(unquote_to_bytes(rest.encode("utf-8", "surrogateescape")))
    if not rest.startswith("/") or "\0" in decoded:
        raise Unreachable("is no absolute path")
    return (Path(decoded),) if decoded == rest else (Path(decoded), Path(rest))


def _readable(path: Path, roots: Sequence[Path]) -> Path:
    real = Path(os.path.realpath(path))
    if not any(real.is_relative_to(os.path.realpath(root)) for root in roots):
        raise Unreachable("lies outside the folders that the operator opened to file: URIs")
    try:
        return _checked(real)
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise Unreachable(f"cannot be read ({error.strerror or error})") from None


def _checked(real: Path) -> Path:
    if not real.exists():
        raise Unreachable("no such file or folder on the engine's machine", hint=_guess(real))
    if not (real.is_file() or real.is_dir()):
        raise Unreachable("is neither a file nor a folder")
    if not os.access(real, os.R_OK):
        raise Unreachable("may not be read by the engine (permission denied)")
    return real


def _guess(real: Path) -> str:
    """What the folder has instead, where a name in it resembles the missing one."""
    if not real.parent.is_dir() or not os.access(real.parent, os.R_OK):
        return ""
    close = near_misses(real.name, [entry.name for entry in islice(real.parent.iterdir(), MOST_NAMES)])
    return f"did you mean {' or '.join(repr(name) for name in close)}?" if close else ""
