"""What a service can be asked about uploaded datasets. Uploads go on where a connection broke (tus 1.0.0)."""

import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import httpx

from retort.archive import Archive, pack
from retort.connection import Connection
from retort.errors import Refused, Unreachable
from retort.models import DatasetView

PART_BYTES = 8 << 20
# The last part is answered when the service has checked all bytes, which takes seconds for each gigabyte.
TIMEOUT = httpx.Timeout(600.0, connect=5.0)
# Tries in a row that bring no new byte, after which the upload is given up.
FRUITLESS_TRIES = 6
PAGE_SIZE = 100


class DatasetCalls:
    """The part of a service that has to do with datasets. `AsyncRetort` and `Retort` offer these methods."""

    _connection: Connection

    async def upload(
        self, path: str | Path, *, name: str | None = None, on_bytes: Callable[[int, int], None] | None = None
    ) -> DatasetView:
        """Upload an archive, or a folder of images, as a dataset that jobs name by its `uri`.

        What the service has already, whole or in part, is not sent again. `on_bytes` is called with the bytes that are
        there and the bytes of all. Raises ValueError for a path that cannot be read, Refused, and Unreachable once
        several tries brought nothing more.
        """
        call = self._connection.transport.call
        archive = await call(pack, Path(path))
        named = {"filename": archive.filename, "name": name or Path(path).resolve().name}
        named["sha256"] = await call(archive.sha256)
        headers = {"Upload-Length": str(archive.size), "Upload-Metadata": _encoded(named)}
        begun = await self._connection.json("POST", "/v1/datasets", repeatable=True, headers=headers)
        await self._send_parts(begun, archive, on_bytes or (lambda sent, size: None))
        return await self.dataset(begun["id"])

    async def dataset(self, dataset_id: str) -> DatasetView:
        """The dataset with this id. Raises Refused (DATASET_NOT_FOUND) where there is none."""
        return cast(DatasetView, await self._connection.json("GET", _path(dataset_id)))

    async def datasets(self) -> AsyncIterator[DatasetView]:
        """The uploaded datasets, the newest first."""
        params: dict[str, Any] = {"limit": PAGE_SIZE}
        while True:
            page = await self._connection.json("GET", "/v1/datasets", params=params)
            for dataset in page["data"]:
                yield dataset
            if not page["has_more"]:
                return
            params["after"] = page["next_cursor"]

    async def delete_dataset(self, dataset_id: str) -> None:
        """Delete a dataset. Raises Refused (DATASET_IN_USE) while a job that has not ended names it."""
        await self._connection.send("DELETE", _path(dataset_id))

    async def _send_parts(self, begun: DatasetView, archive: Archive, on_bytes: Callable[[int, int], None]) -> None:
        offset, is_ready, fruitless = begun["received_bytes"], begun["state"] == "ready", 0
        on_bytes(offset, archive.size)
        while not is_ready:
            try:
                after = await self._send_part(begun["id"], archive, offset)
                is_ready = after == archive.size
            except (Unreachable, Refused) as error:
                if isinstance(error, Refused) and error.code != "OFFSET_CONFLICT" and error.status != 408:
                    raise
                fruitless += 1
                if fruitless > FRUITLESS_TRIES:
                    raise
                await self._connection.transport.sleep(0.2 * 2**fruitless)
                now = await self.dataset(begun["id"])
                after, is_ready = now["received_bytes"], now["state"] == "ready"
            if after > offset:
                fruitless = 0
                on_bytes(after, archive.size)
            offset = after

    async def _send_part(self, dataset_id: str, archive: Archive, offset: int) -> int:
        """Send the next part; the bytes that are there then. An empty one has the service check what it has."""
        part = await self._connection.transport.call(archive.read, offset, PART_BYTES)
        headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
        answer = await self._connection.send("PATCH", _path(dataset_id), content=part, headers=headers, timeout=TIMEOUT)
        return int(answer.headers["Upload-Offset"])


def _path(dataset_id: str) -> str:
    return f"/v1/datasets/{quote(dataset_id, safe='')}"


def _encoded(pairs: dict[str, str]) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())
