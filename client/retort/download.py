"""Fetches one artifact; a file under its own name is always whole and right: part file, Range, sha256, rename."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import httpx

from retort.connection import Connection
from retort.errors import DownloadCorrupt, Unreachable
from retort.models import ArtifactView

CHUNK_BYTES = 1 << 20
# Tries in a row that bring no new byte, after which the download is given up.
FRUITLESS_TRIES = 4


async def fetch(
    connection: Connection, artifact: ArtifactView, folder: Path, on_bytes: Callable[[int], None] | None = None
) -> Path:
    """The path of the artifact inside `folder`; nothing is requested where the right file is already there.

    `on_bytes` is called with the size of every piece that arrives. Raises DownloadCorrupt, Unreachable.
    """
    transport = connection.transport
    target = folder / _file_name(artifact["name"])
    if target.is_file() and await transport.call(_sha256, target) == artifact["sha256"]:
        return target
    part = target.with_name(target.name + ".part")
    fruitless = 0
    while True:
        before = _size(part)
        try:
            await _append(connection, artifact, part, on_bytes)
            break
        except Unreachable:
            fruitless = 0 if _size(part) > before else fruitless + 1
            if fruitless >= FRUITLESS_TRIES:
                raise
            await transport.sleep(0.2 * 2**fruitless)
    await transport.call(_publish, part, target, artifact["sha256"])
    return target


async def _append(
    connection: Connection, artifact: ArtifactView, part: Path, on_bytes: Callable[[int], None] | None
) -> None:
    """Continue the part file where it ends; from its start where the service does not grant the range."""
    have = _size(part)
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": f'"{artifact["sha256"]}"'}
    async with connection.stream(artifact["href"], headers) as answer:
        if answer.status_code == 416:  # the part is as long as the artifact or longer: the sha256 decides
            return
        with part.open("ab" if _continues(answer, have) else "wb") as file:
            async for chunk in connection.transport.chunks(answer, CHUNK_BYTES):
                await connection.transport.call(file.write, chunk)
                if on_bytes:
                    on_bytes(len(chunk))


def _continues(answer: httpx.Response, have: int) -> bool:
    return answer.status_code == 206 and answer.headers.get("content-range", "").startswith(f"bytes {have}-")


def _publish(part: Path, target: Path, sha256: str) -> None:
    """Give a whole part file its name. Raises DownloadCorrupt where its bytes are not those announced."""
    found = _sha256(part)
    if found != sha256:
        part.unlink()
        raise DownloadCorrupt(f"{target.name}: the bytes have sha256 {found}, the service announced {sha256}")
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(target)


def _file_name(name: str) -> str:
    """The name, if it is a plain one: a service must not choose the folder that is written to."""
    if PurePosixPath(name).name != name or "\\" in name or name in ("", ".", ".."):
        raise DownloadCorrupt(f"the service offers an artifact named {name!r}, which is no plain file name")
    return name


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
