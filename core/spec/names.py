"""Names of things outside a spec: URIs by scheme, files by path, architectures by library."""

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote_to_bytes

from pydantic import AfterValidator

from core.errors import unknown
from core.spec.projected import split_projected
from core.spec.two_heads import split_two_heads

DATASET_SCHEMES = ("builtin", "file", "http", "https", "s3", "gs", "hf", "dataset")
WEIGHTS_SCHEMES = ("file", "http", "https", "s3", "gs", "hf", "job")
ZOO_PREFIXES = ("cifar", "torchvision", "timm")


def uri_of(allowed: tuple[str, ...]) -> AfterValidator:
    """A string that is a URI with one of the schemes."""

    def check(value: str) -> str:
        scheme, colon, _ = value.partition(":")
        if not colon:
            listed = ", ".join(f"{name}:" for name in allowed)
            path = value if value.startswith("/") else f"/path/to/{value}"
            hint = f" A file on the engine's machine is written file://{path}." if "file" in allowed else ""
            raise ValueError(f"{value!r} has no scheme; allowed: {listed}.{hint}")
        if scheme not in allowed:
            raise ValueError(unknown("scheme", f"{scheme}:", [f"{s}:" for s in allowed]))
        return value

    return AfterValidator(check)


def file_paths(uri: str) -> tuple[Path, ...]:
    """What a file: URI may mean, the likelier first: its path with %XX read as a byte (RFC 8089), and as it is written.

    A file URI has no query and no fragment: `file:///data/set#2` and `file:///data/100%` are what a person wrote who
    pasted a path. Raises ValueError for a host other than this machine, and for what is no absolute path.
    """
    rest = uri.partition(":")[2]
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host not in ("", "localhost"):
            raise ValueError(f"names the host {host!r}; a file URI starts with file:/// and reads the engine's machine")
        rest = slash + path
    decoded = os.fsdecode(unquote_to_bytes(rest.encode("utf-8", "surrogateescape")))
    if not rest.startswith("/") or "\0" in decoded:
        raise ValueError("is no absolute path")
    return (Path(decoded),) if decoded == rest else (Path(decoded), Path(rest))


def _architecture(value: str) -> str:
    prefix, slash, name = value.partition("/")
    if not slash or not name or prefix not in ZOO_PREFIXES:
        raise ValueError(f"{value!r} is no architecture; write cifar/<name>, torchvision/<name> or timm/<name>")
    split_projected(split_two_heads(value)[0])
    return value


Architecture = Annotated[str, AfterValidator(_architecture)]
