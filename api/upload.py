"""Receives the body of a tus PATCH into stored parts, as it arrives, and never whole in memory.

https://tus.io/protocols/resumable-upload (1.0.0, with the extensions creation and termination)
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator

import anyio.from_thread
from starlette.requests import ClientDisconnect, Request

from api.errors import Problem
from store import blobs, datasets
from store.database import Database

MEDIA_TYPE = "application/offset+octet-stream"
VERSION = "1.0.0"
PART_BYTES = 64 << 20  # what a broken connection costs at most
STALL_SECONDS = 60.0


class Incoming:
    """The body of a request, read from another thread than the one that receives it. `stalled`: nothing came for
    STALL_SECONDS.
    """

    def __init__(self, request: Request) -> None:
        self.stalled = False
        self._pieces: AsyncIterator[bytes] = request.stream().__aiter__()
        self._rest = b""
        self._ended = False

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none once the body has ended, the client has gone, or nothing comes any more."""
        while not self._rest and not self._ended:
            self._rest = anyio.from_thread.run(self._next)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(STALL_SECONDS):
                return await anext(self._pieces)
        except TimeoutError:
            self.stalled = True
        except (StopAsyncIteration, ClientDisconnect):
            pass
        self._ended = True
        return b""


class _Limited:
    """At most `left` bytes of a stream."""

    def __init__(self, stream: Incoming, left: int) -> None:
        self.stream = stream
        self.left = left

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end or once the limit is reached."""
        piece = self.stream.read(min(size, self.left)) if self.left else b""
        self.left -= len(piece)
        return piece


def receive(database: Database, incoming: Incoming, tenant: str, dataset: datasets.Dataset, offset: int) -> int:
    """Store what comes as parts of a dataset, from byte `offset` on; the bytes that are there at the end.

    What came before the connection broke is kept. Bytes beyond the size of the dataset are not read. Raises
    OffsetConflict where another request was quicker.
    """
    while offset < dataset.size_bytes:
        part = blobs.put(database, _Limited(incoming, min(PART_BYTES, dataset.size_bytes - offset)))
        if not part.size_bytes:
            break
        with database.begin() as session:
            offset = datasets.append(session, tenant, dataset.id, part, offset=offset)
    return offset


def metadata_of(header: str) -> dict[str, str]:
    """The pairs of an Upload-Metadata header: names with base64 values. Raises a Problem that names the pair."""
    found = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        key, _, encoded = pair.partition(" ")
        try:
            found[key] = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise Problem(400, "UPLOAD_INVALID", f"Upload-Metadata: the value of {key!r} is no base64 text") from None
    return found
