"""Who may talk to a server without authentication: Host against DNS rebinding, Origin against other sites' pages."""

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import Problem

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
# Of two of them, a proxy and this server might obey different ones.
ONCE = ("host", "authorization", "content-type", "content-length", "origin", "idempotency-key")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'"
)


class Guard:
    """ASGI middleware that refuses strangers' requests and adds the security headers to every answer."""

    def __init__(self, app: ASGIApp, allowed_hosts: Collection[str] = ()) -> None:
        """`allowed_hosts` are names beside loopback's under which this server is reached."""
        self.app = app
        self.hosts = LOOPBACK_NAMES | frozenset(name.lower() for name in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request if its host is allowed, with security headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                _secure(MutableHeaders(scope=message))
            await send(message)

        try:
            self._check(scope)
        except Problem as problem:
            await problem.response(scope)(scope, receive, send_secured)
            return
        await self.app(scope, receive, send_secured)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        for name in ONCE:
            if len(headers.getlist(name)) > 1:
                raise Problem(400, "REQUEST_MALFORMED", f"the field {name} may be sent once")
        host = headers.get("host", "").lower()
        if _name(host) not in self.hosts:
            known = ", ".join(sorted(self.hosts))
            detail = f"this server is not {host!r}; it answers as {known}. RETORT_ALLOWED_HOSTS names others."
            raise Problem(421, "HOST_UNTRUSTED", detail)
        if scope["method"] not in _SAFE_METHODS:
            _check_origin(headers, host)
        if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
            raise Problem(400, "REQUEST_MALFORMED", "a URL may not hold a NUL")


def _check_origin(headers: Headers, host: str) -> None:
    origin = headers.get("origin")
    if origin is not None:
        # The scheme may differ behind a proxy that ends TLS; the name and port may not.
        if origin.lower().partition("://")[2] != host:
            raise Problem(403, "ORIGIN_FORBIDDEN", f"pages of {origin!r} may not change anything here")
    elif headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        raise Problem(403, "ORIGIN_FORBIDDEN", "pages of other sites may not change anything here")


def _name(host: str) -> str:
    """A Host header without its port; IPv6 addresses keep their brackets."""
    if host.startswith("["):
        address, bracket, _ = host.partition("]")
        return address + bracket
    return host.partition(":")[0]


def _secure(headers: MutableHeaders) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if headers.get("content-type", "").startswith("text/html"):
        headers["Content-Security-Policy"] = _PAGE_POLICY
        headers["X-Frame-Options"] = "DENY"
