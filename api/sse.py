"""Server-sent events (the HTML standard's text/event-stream)."""

from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse

from api.schemas.events import EventView
from store.values import Event

# Proxies commonly cut a connection that is silent for 30 seconds or a minute. With each heartbeat the service also sees
# whether the key of whoever listens is still valid.
HEARTBEAT_SECONDS = 5.0
# What a browser waits before it connects again.
RETRY_MILLISECONDS = 1000


def stream(events: AsyncIterator[Event | None]) -> StreamingResponse:
    """An answer that gives each event as it comes; None becomes a heartbeat."""
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(_lines(events), media_type="text/event-stream", headers=headers)


async def _lines(events: AsyncIterator[Event | None]) -> AsyncIterator[bytes]:
    yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
    async for event in events:
        yield frame(event) if event else b": still here\n\n"


def frame(event: Event) -> bytes:
    """One event; its JSON holds no line break, so one data line is enough."""
    data = EventView.model_validate(event).model_dump_json()
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {data}\n\n".encode()
