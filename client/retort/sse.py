"""Server-sent events (WHATWG HTML, section 9.2), as this service writes them: id, event, data; comments are pings."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """One event of a job. `id` is what Last-Event-ID takes; `data` is decoded JSON."""

    id: str
    type: str
    data: Any


async def parse(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    """The whole events among `lines` (without line ends); an event that the connection cut in two is dropped."""
    fields: dict[str, list[str]] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
            continue
        if "data" in fields:
            yield Event(
                id=fields.get("id", [""])[-1],
                type=fields.get("event", ["message"])[-1],
                data=json.loads("\n".join(fields["data"])),
            )
        fields = {}
