"""From a URI to a local file or folder: the one place where the engine reads from outside."""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from core.data import buckets, web
from core.data.reason import Unreachable
from core.data.tree import file_sha256
from core.errors import DatasetUnreachable, unknown
from core.policy import Policy
from core.spec.names import file_paths
from core.system.workspace import Workspace

SCHEMES = ("file", "http", "https", "s3", "gs", "hf", "dataset", "job")
_INPUT_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$")


def fetch(
    uri: str,
    workspace: Workspace,
    *,
    sha256: str | None = None,
    pointer: str = "/dataset/uri",
) -> Path:
    """The local file or folder that `uri` names. What is not local is downloaded into the workspace's cache, whole or
    not at all; `dataset:<id>` and `job:<id>` are folders of `workspace.inputs`.

    `sha256` is checked against a file's content. Raises DatasetUnreachable, which names the URI without its secrets and
    the reason; DiskFull.
    """
    try:
        path = _fetch(uri, workspace)
        if sha256 is not None:
            _check(path, sha256)
    except Unreachable as error:
        raise DatasetUnreachable(f"{redacted(uri)}: {error}", hint=error.hint, pointer=pointer) from None
    return path


def redacted(uri: str) -> str:
    """`uri` without what may be secret: user information, and the values of its query. A file: URI has neither."""
    if uri.startswith("file:"):
        return uri
    address, question, query = uri.partition("#")[0].partition("?")
    scheme, slashes, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    address = scheme + slashes + host.rpartition("@")[2] + slash + path
    return address + question + "&".join(f"{pair.partition('=')[0]}=..." for pair in query.split("&") if pair)


def _fetch(uri: str, workspace: Workspace) -> Path:
    scheme, _, rest = uri.partition(":")
    if scheme == "file":
        return _file(uri, workspace.policy)
    try:
        urlsplit(uri)
    except ValueError as error:
        raise Unreachable(f"is no URI ({error})") from None
    match scheme:
        case "http" | "https":
            return web.download(uri, workspace.cache, policy=workspace.policy)
        case "s3" | "gs" | "hf":
            return buckets.download(uri, workspace.cache, policy=workspace.policy)
        case "dataset" | "job":
            return _input(scheme, rest, workspace.inputs)
    raise Unreachable(unknown("scheme", f"{scheme}:", [f"{name}:" for name in SCHEMES]))


def _file(uri: str, policy: Policy) -> Path:
    try:
        paths = [Path(os.path.realpath(path)) for path in file_paths(uri)]
    except ValueError as error:
        raise Unreachable(str(error)) from None
    real = next((path for path in paths if path.exists()), paths[0])
    roots = [Path(os.path.realpath(root)) for root in policy.file_roots]
    if not any(real.is_relative_to(root) for root in roots):
        raise Unreachable("lies outside the folders that the operator opened to file: URIs")
    if not real.exists():
        raise Unreachable("no such file or folder on the engine's machine")
    if not (real.is_file() or real.is_dir()):
        raise Unreachable("is neither a file nor a folder")
    if not os.access(real, os.R_OK):
        raise Unreachable("may not be read by the engine (permission denied)")
    return real


def _input(scheme: str, name: str, inputs: Path | None) -> Path:
    if not _INPUT_ID.match(name):
        raise Unreachable(f"{name!r} is no id")
    folder = inputs / name if inputs is not None else None
    if folder is None or not folder.is_dir():
        raise Unreachable(f"no such {scheme} among the inputs of this job")
    files = list(folder.iterdir())
    # An uploaded archive is meant, not the folder that it lies in; a job's folder keeps its labels beside its weights.
    return files[0] if scheme == "dataset" and len(files) == 1 else folder


def _check(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise Unreachable("is a folder; a sha256 can be checked for a file only")
    actual = file_sha256(path)
    if actual != sha256:
        raise Unreachable(f"has the sha256 {actual}, not {sha256}")
