"""HEAD wherever GET is: the same status and headers, no body (RFC 9110 section 9.3.2)."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

IS_HEAD = "retort.is_head"  # in the scope that the app sees


class Head:
    """ASGI middleware that asks the app for GET and keeps its body back; a stream ends with its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a HEAD request as a GET without a body."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                started = True

        async def receive_until_started() -> Message:
            return {"type": "http.disconnect"} if started else await receive()

        asked = {**scope, "method": "GET", IS_HEAD: True}  # the server reads its own scope to know that no body follows
        try:
            await self.app(asked, receive_until_started, send_headers)
        finally:
            scope["route"] = asked.get("route")  # for the access log
