"""s3:, gs: and hf: by fsspec: one object, or all below a prefix as a folder. Credentials are those of the job, else the
libraries' own."""

import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from core.data.archives.checks import check_name, check_storable
from core.data.tree import READ_BYTES
from core.errors import DatasetInvalid, DiskFull
from core.files.atomic import atomic_path
from core.policy import Policy
from core.spec.uris.reason import Unreachable

NUM_TRANSFERS = 8
# What the stores call an object's version; the name, size and one of these tell whether it must be downloaded again.
_VERSIONS = ("ETag", "etag", "md5Hash", "generation", "blob_id", "LastModified", "last_commit", "updated", "mtime")

# gcsfs's newer class first asks by gRPC what kind of bucket it is, for a minute where only HTTP gets through. To read
# objects the older one is enough.
fsspec.register_implementation("gs", "gcsfs.core.GCSFileSystem", clobber=True)

Objects = list[tuple[str, str, int]]  # full path, path below the prefix, bytes


def download(uri: str, cache: Path, *, policy: Policy, options: Mapping[str, Any] | None = None) -> Path:
    """The file or folder behind `uri`, in the cache, named by its objects' versions; `options` are credentials for
    fsspec. Raises Unreachable, DiskFull.
    """
    scheme, _, rest = uri.partition(":")
    _check(rest)
    try:
        filesystem, path = fsspec.core.url_to_fs(
            f"{scheme}://{rest.lstrip('/')}", skip_instance_cache=True, **(options or {})
        )
        details = _details(filesystem, path, policy)
        return _download(filesystem, path, details, cache, policy)
    except (Unreachable, DiskFull):
        raise
    except DatasetInvalid as error:
        raise Unreachable(error.message) from None
    except FileNotFoundError:
        raise Unreachable("no such object (404), or no permission to see it") from None
    except Exception as error:  # botocore, aiohttp, gcsfs and huggingface_hub each have their own trees of errors
        raise Unreachable(_kind(error), hint="check the address and the engine's credentials") from None


def _details(filesystem: Any, path: str, policy: Policy) -> dict[str, dict[str, Any]]:
    """Facts about each object by its full path; a single object has one entry."""
    info = filesystem.info(path)
    if info["type"] == "file":
        details = {path: info}
    else:
        details = {name: one for name, one in filesystem.find(path, detail=True).items() if one["type"] == "file"}
        details = {name: one for name, one in details.items() if not name.endswith("/")}
    if not details:
        raise Unreachable("holds no object")
    if len(details) > policy.max_archive_entries:
        raise Unreachable(f"holds {len(details)} objects; allowed are {policy.max_archive_entries}")
    total = sum(int(one["size"] or 0) for one in details.values())
    if total > policy.max_download_bytes:
        raise Unreachable(f"has {total} bytes; allowed are {policy.max_download_bytes}")
    return details


def _download(filesystem: Any, path: str, details: dict[str, dict[str, Any]], cache: Path, policy: Policy) -> Path:
    is_file = set(details) == {path}
    prefix = str(PurePosixPath(path).parent) if is_file else path
    objects = [(full, full.removeprefix(prefix).lstrip("/"), int(one["size"])) for full, one in sorted(details.items())]
    for _, below, _ in objects:
        check_name(below)
    check_storable(below for _, below, _ in objects)
    folder = cache / "downloads" / _version(filesystem, details)
    if not folder.exists():
        with atomic_path(folder) as temporary:
            _copy_all(filesystem, objects, temporary, time.monotonic() + policy.max_download_seconds)
    os.utime(folder)  # used: the cache removes the least recently used first
    return folder / objects[0][1] if is_file else folder


def _version(filesystem: Any, details: dict[str, dict[str, Any]]) -> str:
    facts = [
        [name, one["size"], [str(one[key]) for key in _VERSIONS if one.get(key) is not None]]
        for name, one in sorted(details.items())
    ]
    return hashlib.sha256(json.dumps([str(filesystem.protocol), facts]).encode()).hexdigest()


def _copy_all(filesystem: Any, objects: Objects, folder: Path, until: float) -> None:
    folder.mkdir()
    with ThreadPoolExecutor(NUM_TRANSFERS) as pool:
        for transfer in [pool.submit(_copy, filesystem, *one, folder, until) for one in objects]:
            transfer.result()


def _copy(filesystem: Any, full: str, below: str, size: int, folder: Path, until: float) -> None:
    target = folder / below
    target.parent.mkdir(parents=True, exist_ok=True)
    received = 0
    with filesystem.open(full, "rb") as source, target.open("wb") as out:
        while received <= size and (block := source.read(READ_BYTES)):
            received += len(block)
            out.write(block)
            if time.monotonic() > until:
                raise Unreachable("the transfer took longer than is allowed (max_download_seconds)")
    if received != size:
        raise Unreachable(f"the transfer of {below!r} gave {received} of {size} bytes")


def _kind(error: Exception) -> str:
    """What failed, in the library's name for it and the code of the answer; the rest of an answer is not quoted."""
    answer = getattr(error, "response", None)
    told = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
    status = told or getattr(answer, "status_code", None) or getattr(error, "status", None)
    code = f" ({status})" if re.fullmatch(r"[A-Za-z0-9]{1,40}", str(status)) and status is not None else ""
    return f"{type(error).__name__}{code}"


def _check(rest: str) -> None:
    """Raise Unreachable for what fsspec would take for more than a bucket and a path in it."""
    if "::" in rest:
        raise Unreachable("holds '::', which chains file systems")
    bucket = rest.lstrip("/").partition("/")[0]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", bucket):
        raise Unreachable(f"{bucket[:80]!r} is no name of a bucket: letters, digits, '.', '-' and '_'")
