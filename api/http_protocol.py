"""HTTP/1.1 on one connection, bounded: uvicorn's protocol with limits on heads, on silence and on answers nobody reads.

uvicorn waits for the rest of a head, for a body that no route reads, and for a client that takes no answer, as long as
the client likes. Each such connection costs memory and a file descriptor, so a few thousand of them stop a server.
"""

import asyncio
import uuid
from asyncio import TimerHandle
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.errors import MEDIA_TYPE, Problem

# From the connection, or from the first byte of a later request, to the end of the head.
HEAD_SECONDS = 10.0
# Request line and header fields together. Proxies send 8 KiB by default; uvicorn with h11 takes 64 KiB.
MAX_HEAD_BYTES = 32 * 1024
MAX_FIELDS = 100
# A body in chunks of one byte brings five bytes of framing for each; more is a flood of extensions or trailers.
MAX_FRAMING_PER_BYTE = 8
# After an answer, for the rest of a body that the answer did not wait for.
DRAIN_SECONDS = 5.0
# A client that takes so long to read 64 KiB of an answer has left, or holds the connection on purpose.
STALL_SECONDS = 60.0
MALFORMED = Problem(400, "REQUEST_MALFORMED", "this is no HTTP/1.1 request")


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A request that breaks a limit is answered by a problem where that is possible; then it closes."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = True  # waiting for a head, or within one
        self._in_body = False
        self._is_broken = False  # what follows on this connection has no meaning
        self._head_bytes = 0  # as they came
        self._head_size = 0  # as the parser understood them
        self._framing_bytes = 0
        self._fault = MALFORMED
        self._timer: TimerHandle | None = None  # of the head, then of the rest of the body
        self._stall: TimerHandle | None = None
        self._opened_at = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head. Where the server is full, the connection that has waited longest for one ends."""
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            self._make_room(self.limit_concurrency)
        self._wait(HEAD_SECONDS, self._head_is_late)

    def _make_room(self, limit: int) -> None:
        """Those that were cut a moment ago are still among the server's connections."""
        held = [one for one in self.connections if isinstance(one, BoundedProtocol) and not one.transport.is_closing()]
        silent = [one for one in held if one._in_head and one.is_idle]
        if len(held) >= limit and silent:
            min(silent, key=lambda one: one._opened_at).transport.abort()

    @property
    def is_idle(self) -> bool:
        """Whether no answer is on its way."""
        return self.cycle is None or self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the timers."""
        self._wait(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes of heads and bodies."""
        if self._is_broken:
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._timer is None:
                self._wait(HEAD_SECONDS, self._head_is_late)
        elif self._in_body:
            self._framing_bytes += len(data)
        super().data_received(data)
        # The parser keeps a field that has not ended, before any callback counts it.
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_too_large(f"a head may have at most {MAX_HEAD_BYTES} bytes"))
        if self._in_body and self._framing_bytes > MAX_HEAD_BYTES:
            self._refuse(MALFORMED)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head_size = 0
        self._fault = MALFORMED

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request's target."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head. Those behind a body are dropped: who decided on the request did not see them."""
        if not self._in_head:
            return
        super().on_header(name, value)
        if len(self.headers) > MAX_FIELDS:
            self._fault = _too_large(f"a head may have at most {MAX_FIELDS} fields")
            raise httptools.HttpParserError
        self._count(len(name) + len(value) + 4)

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MAX_HEAD_BYTES:
            self._fault = _too_large(f"a head may have at most {MAX_HEAD_BYTES} bytes")
            raise httptools.HttpParserError

    def on_headers_complete(self) -> None:
        """The head is whole: the app is asked. Raises where the target is none, as `CONNECT host:port` is."""
        super().on_headers_complete()
        self._in_head, self._in_body = False, True
        self._framing_bytes = 0
        self._wait(None)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._framing_bytes = max(-MAX_HEAD_BYTES, self._framing_bytes - (1 + MAX_FRAMING_PER_BYTE) * len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole; another may follow."""
        self._in_head, self._in_body = True, False
        self._head_bytes = 0
        self._wait(None)
        super().on_message_complete()
        if self.cycle.response_complete:  # the bytes of this body have ended the wait for another request
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """The answer is given; a body that nobody waited for may end within a short time."""
        super().on_response_complete()
        if self._in_body and not self.transport.is_closing():
            self._wait(DRAIN_SECONDS, self.transport.close)

    def pause_writing(self) -> None:
        """The client does not read its answer."""
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads on."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _unsupported_upgrade_warning(self) -> None:
        """Another protocol was asked for: the request is answered in HTTP, and the connection ends with it."""
        self._break()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls where the parser gave up, or one of the callbacks above."""
        self._refuse(self._fault)

    def _head_is_late(self) -> None:
        self._timer = None
        if not self.is_idle:  # a later request of a client that waits for an answer
            self._wait(HEAD_SECONDS, self._head_is_late)
        elif self._head_bytes:
            self._refuse(Problem(408, "REQUEST_TIMEOUT", f"the head did not arrive within {HEAD_SECONDS:.0f} seconds"))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer and close; where the answer to an earlier request, or to this one, is on its way, close after it."""
        if self.transport.is_closing() or self._is_broken:
            return
        waits_for_body = self._in_body and not self.cycle.response_started and not self.pipeline
        if self.is_idle or waits_for_body:
            self.transport.write(_written(problem))
            self.transport.close()
        if waits_for_body:  # whoever reads the body learns that no more of it comes
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._break()

    def _break(self) -> None:
        self._is_broken = True
        self._wait(None)
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def _wait(self, seconds: float | None, then: Any = None) -> None:
        """Call `then` after so many seconds, instead of what was to be called; None: call nothing."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, then)


def _too_large(detail: str) -> Problem:
    return Problem(431, "HEAD_TOO_LARGE", detail)


def _written(problem: Problem) -> bytes:
    response = problem.response({"state": {"request_id": uuid.uuid4().hex}})
    fields = (
        f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(response.body)}\r\n"
        "cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
    )
    return STATUS_LINE[problem.status] + fields.encode() + bytes(response.body)
