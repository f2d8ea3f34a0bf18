"""Fetches a URI into a local file or folder. This is the only place where the engine reads from outside."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from core.data import buckets, web
from core.data.authorization import bucket_options, http_authorization, without_user
from core.data.tree import file_sha256
from core.errors import DatasetUnreachable, unknown
from core.spec.uris import files
from core.spec.uris.credentials import secret_name
from core.spec.uris.reason import Unreachable
from core.spec.uris.redaction import redacted
from core.system.workspace import Workspace

SCHEMES = ("file", "http", "https", "s3", "gs", "hf", "dataset", "job")
_INPUT_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$")


def fetch(
    uri: str,
    workspace: Workspace,
    *,
    credentials: str | None = None,
    sha256: str | None = None,
    pointer: str = "/dataset/uri",
) -> Path:
    """The local file or folder that `uri` names. What is not local is downloaded into the workspace's cache, whole or
    not at all; `dataset:<id>` and `job:<id>` are folders of `workspace.inputs`; `secret://name` is a secret that is a
    URI. `credentials` name the secret that opens `uri`.

    `sha256` is checked against a file's content. Raises DatasetUnreachable, which names the URI without its secrets and
    the reason; DiskFull.
    """
    try:
        path = _fetch(_revealed(uri, workspace) or uri, _revealed(credentials, workspace), workspace)
        if sha256 is not None:
            _check(path, sha256)
    except Unreachable as error:
        raise DatasetUnreachable(f"{redacted(uri)}: {error}", hint=error.hint, pointer=pointer) from None
    return path


def _revealed(name: str | None, workspace: Workspace) -> str | None:
    """The value of the secret that `name` names; None where it names none."""
    secret = secret_name(name)
    if secret is None:
        return None
    value = workspace.secrets.get(secret)
    if value is None:
        hint = "store it with `retort secrets set`, or give it to `python -m core` in the file of --secrets"
        raise Unreachable(f"there is no secret {secret!r}", hint=hint)
    return value


def _fetch(uri: str, credentials: str | None, workspace: Workspace) -> Path:
    scheme, _, rest = uri.partition(":")
    if scheme != "file":
        try:
            urlsplit(uri)
        except ValueError:
            raise Unreachable("is no URI: its brackets, host or port are malformed") from None
    match scheme:
        case "file":
            return files.find(uri, workspace.policy.file_roots)
        case "http" | "https":
            url, user = without_user(uri)
            authorization = http_authorization(credentials or user)
            return web.download(url, workspace.cache, policy=workspace.policy, authorization=authorization)
        case "s3" | "gs" | "hf":
            options = bucket_options(scheme, credentials)
            return buckets.download(uri, workspace.cache, policy=workspace.policy, options=options)
        case "dataset" | "job":
            return _input(scheme, rest, workspace.inputs)
    raise Unreachable(unknown("scheme", f"{scheme}:", [f"{name}:" for name in SCHEMES]))


def _input(scheme: str, name: str, inputs: Path | None) -> Path:
    if not _INPUT_ID.match(name):
        raise Unreachable(f"{name!r} is no id")
    folder = inputs / name if inputs is not None else None
    if folder is None or not folder.is_dir():
        raise Unreachable(f"no such {scheme} among the inputs of this job")
    entries = list(folder.iterdir())
    # An uploaded archive is meant, not the folder that it lies in; a job's folder keeps its labels beside its weights.
    return entries[0] if scheme == "dataset" and len(entries) == 1 else folder


def _check(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise Unreachable("is a folder; a sha256 can be checked for a file only")
    actual = file_sha256(path)
    if actual != sha256:
        raise Unreachable(f"has the sha256 {actual}, not {sha256}")
