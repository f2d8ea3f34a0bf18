"""Long answers end with the right to them: event streams, long polls and downloads are cut when their key is revoked.

A request is admitted once, and its answer may go on for hours. So whoever asked is looked up again before a part of the
answer is sent, at most once in CACHE_SECONDS. Event streams send something every few seconds, and so end within those.
"""

import time
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.types import Message, Scope, Send

from api.authentication import CACHE_SECONDS
from api.errors import Problem
from store.callers import Caller

Identify = Callable[[Scope], Awaitable[Caller]]


class AccessEnded(Exception):
    """The caller's key or session is not valid any more; `problem` says so."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class WatchedSend:
    """ASGI's `send` for one request; raises AccessEnded once the caller is no longer known."""

    def __init__(self, scope: Scope, send: Send, identify: Identify) -> None:
        self._scope = scope
        self._send = send
        self._identify = identify
        self._checked_at = time.monotonic()
        self.started = False
        self._is_event_stream = False

    async def __call__(self, message: Message) -> None:
        """Send a part of the answer."""
        if time.monotonic() > self._checked_at + CACHE_SECONDS:
            await self._check()
        if message["type"] == "http.response.start":
            self.started = True
            self._is_event_stream = (
                Headers(raw=message["headers"]).get("content-type", "").startswith("text/event-stream")
            )
        await self._send(message)

    async def _check(self) -> None:
        try:
            await self._identify(self._scope)
        except SQLAlchemyError:
            pass  # nothing is known of the key while the database is away
        except Problem as problem:
            raise AccessEnded(problem) from None
        self._checked_at = time.monotonic()

    async def end(self) -> None:
        """End an answer that has begun: an event stream properly, anything else by breaking it off."""
        if self._is_event_stream:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
