"""What each request needs, decided before any route is asked: a path that nobody lists here needs a key.

A request without a listed path is answered 401 without a key, whether a route exists for it or not. GET needs the scope
`read`, every other method `submit`, and the administration of keys `admin`.
"""

import anyio.to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.authentication import ANYONE, Authenticator, forbidden, session_cookie, unauthenticated
from api.denials import Denials
from api.errors import Problem, problem_of
from api.rate_limit import Allowance, RateLimiter
from api.revocation import AccessEnded, WatchedSend
from store.callers import Caller
from store.callers import Scope as Permission
from store.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# The probes, the dashboard's own files, which hold no data, and the way in.
PUBLIC = frozenset(
    {
        *((method, path) for path in ("/", "/livez", "/readyz", "/v1/sign-in") for method in ("GET", "HEAD")),
        *(("GET", path) for path in ("/v1/sign-in/oidc", "/v1/sign-in/oidc/callback")),
        ("POST", "/v1/session"),
    }
)
PUBLIC_FILES = "/web/"
# Everybody may look at its own session, end it, and open it in another browser.
OF_THE_CALLER = "/v1/session"
OF_ADMINS = ("/v1/keys", "/v1/audit", "/v1/garbage")


def needed(method: str, path: str) -> Permission | None:
    """The scope that a request needs; None where it needs no caller."""
    if (method, path) in PUBLIC or (method in ("GET", "HEAD") and path.startswith(PUBLIC_FILES)):
        return None
    if any(_is_below(path, admins) for admins in OF_ADMINS):
        return "admin"
    return "read" if method in SAFE_METHODS or _is_below(path, OF_THE_CALLER) else "submit"


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


class Authorization:
    """ASGI middleware that lets only those requests through that need no caller or have one with the scope."""

    def __init__(self, app: ASGIApp, settings: Settings, authenticator: Authenticator, denials: Denials) -> None:
        self.app = app
        self.settings = settings
        self._denials = denials
        self._authenticator = authenticator
        self._limiter = RateLimiter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of a caller who may send it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        permission = needed(scope["method"], scope["path"])
        if permission is None:
            await self.app(scope, receive, send)
            return
        try:
            caller = await self._admit(scope, permission)
            allowance = self._count(caller)
        except (Problem, SQLAlchemyError) as error:
            await problem_of(error).response(scope)(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        told = _telling(send, allowance) if allowance else send
        if caller is ANYONE:
            await self.app(scope, receive, told)
        else:
            await self._answer(scope, receive, told)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as long as the caller's key or session is valid."""
        watched = WatchedSend(scope, send, self._identify)
        try:
            await self.app(scope, receive, watched)
        except AccessEnded as ended:
            if watched.started:
                await watched.end()
            else:
                await ended.problem.response(scope)(scope, receive, send)

    async def _admit(self, scope: Scope, permission: Permission) -> Caller:
        """The caller of a request; raises a Problem 401 or 403."""
        if self.settings.authentication == "open":
            return ANYONE
        try:
            caller = await self._identify(scope)
        except Problem as problem:
            if "authorization" in Headers(scope=scope):
                await anyio.to_thread.run_sync(self._denials.record, scope, problem.code)
            raise
        if not caller.may(permission):
            refusal = forbidden(caller, permission)
            await anyio.to_thread.run_sync(self._denials.record, scope, refusal.code, caller)
            raise refusal
        return caller

    async def _identify(self, scope: Scope) -> Caller:
        headers = Headers(scope=scope)
        authorization, cookie = headers.get("authorization"), session_cookie(headers)
        if authorization is not None:
            known = self._authenticator.remembered(authorization)
            if known is not None:
                return known
            return await anyio.to_thread.run_sync(self._authenticator.bearer, authorization)
        if cookie is None:
            raise unauthenticated("send an API key as: Authorization: Bearer rtk_...")
        _check_own_page(scope["method"], headers)
        return await anyio.to_thread.run_sync(self._authenticator.session, cookie)

    def _count(self, caller: Caller) -> Allowance | None:
        """What is left of the caller's requests; raises a Problem 429. None where they are not limited."""
        limit = caller.limits.requests_per_minute or self.settings.requests_per_minute
        if limit is None:
            return None
        allowance = self._limiter.take(caller.actor, limit)
        if allowance.retry_seconds:
            detail = f"{caller.actor} may send {limit} requests in a minute; try again in {allowance.retry_seconds} s"
            raise Problem(429, "RATE_LIMITED", detail, headers=allowance.headers())
        return allowance


def _check_own_page(method: str, headers: Headers) -> None:
    """A browser says where a request comes from; one that changes something by a cookie must come from our own page.

    api.guard has compared the Origin with the Host already.
    """
    if method not in SAFE_METHODS and "origin" not in headers and "sec-fetch-site" not in headers:
        detail = "a request that changes something by a session must say its Origin; programs send an API key instead"
        raise Problem(403, "ORIGIN_FORBIDDEN", detail)


def _telling(send: Send, allowance: Allowance) -> Send:
    async def send_limits(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(allowance.headers())
        await send(message)

    return send_limits
