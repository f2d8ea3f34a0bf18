"""Who sent a request: the caller that its API key, or the session of a browser, stands for."""

import logging
import threading
import time
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie

from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.requests import Request

from api.errors import Problem
from store import credentials, keys, sessions
from store.callers import DEFAULT_TENANT, Caller
from store.database import Database

log = logging.getLogger("retort.api")
COOKIE = "retort_session"
# A key that was revoked, or a session that was closed elsewhere, is accepted for so long at most.
CACHE_SECONDS = 1.0
MAX_CACHED = 10_000
# Everybody who reaches a service whose authentication is off.
ANYONE = Caller(DEFAULT_TENANT, "anyone", "admin")
_CHALLENGE = 'Bearer realm="retort"'


def unauthenticated(detail: str, error: str | None = None) -> Problem:
    """401 with the challenge of RFC 6750; `error` where credentials were sent and are not accepted."""
    challenge = f'{_CHALLENGE}, error="{error}"' if error else _CHALLENGE
    return Problem(401, "UNAUTHENTICATED", detail, headers={"WWW-Authenticate": challenge, "Cache-Control": "no-store"})


def forbidden(caller: Caller, needed: str) -> Problem:
    """403 of RFC 6750: the caller is known, and its scope does not suffice."""
    challenge = f'{_CHALLENGE}, error="insufficient_scope", scope="{needed}"'
    detail = f"this needs the scope {needed}, and {caller.actor} has the scope {caller.scope}"
    return Problem(403, "SCOPE_INSUFFICIENT", detail, headers={"WWW-Authenticate": challenge})


def caller_of(request: Request) -> Caller:
    """Who sent a request that api.authorization let through; a path that everybody may ask has no caller."""
    caller: Caller | None = request.scope.get("state", {}).get("caller")
    if caller is None:
        raise unauthenticated("this needs an API key or a session")
    return caller


def session_cookie(headers: Headers) -> str | None:
    """The secret of the session that a browser sends; None where it sends none."""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return None
    return cookies[COOKIE].value if COOKIE in cookies else None


class Authenticator:
    """Finds callers, and remembers each for CACHE_SECONDS."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[Caller, float]] = {}
        self._touched: dict[str, float] = {}

    def remembered(self, authorization: str) -> Caller | None:
        """The caller with this header, if it was found a moment ago; asks no database."""
        digest = credentials.digest(authorization.partition(" ")[2].strip())
        caller, until = self._known.get(digest, (None, 0.0))
        return caller if authorization[:7].lower() == "bearer " and time.monotonic() < until else None

    def bearer(self, authorization: str) -> Caller:
        """The caller with this Authorization header; raises a Problem 401 where it names no valid key."""
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise unauthenticated("the Authorization header must be: Bearer <API key>", "invalid_request")
        caller = self._find(text.strip(), self._by_key)
        if caller is None:
            raise unauthenticated("the API key is unknown, expired or revoked", "invalid_token")
        self._touch(caller)
        return caller

    def session(self, secret: str) -> Caller:
        """The caller whose browser has this session; raises a Problem 401 where there is none."""
        caller = self._find(secret, self._by_session)
        if caller is None:
            raise unauthenticated("the session has ended; sign in again", "invalid_token")
        return caller

    def forget(self, secret: str) -> None:
        """Accept a secret no longer without a look into the database."""
        self._known.pop(credentials.digest(secret), None)

    def _find(self, secret: str, look: Callable[[str], Caller | None]) -> Caller | None:
        digest, now = credentials.digest(secret), time.monotonic()
        caller, until = self._known.get(digest, (None, 0.0))
        if caller is None or until < now:
            caller = look(secret)
            if caller is None:
                return None
            if len(self._known) >= MAX_CACHED:
                self._known.clear()
            self._known[digest] = (caller, now + CACHE_SECONDS)
        return caller

    def _by_key(self, text: str) -> Caller | None:
        if credentials.key_id_of(text) is None:  # needs no database
            return None
        with self._database.read() as session:
            return keys.find_caller(session, text)

    def _by_session(self, secret: str) -> Caller | None:
        with self._database.read() as session:
            found = sessions.find(session, secret)
        return found.caller if found else None

    def _touch(self, caller: Caller) -> None:
        """Write the time of the key's last use in a thread of its own: no request waits for the database's writers."""
        now = time.monotonic()
        if caller.key_id is None or now < self._touched.get(caller.key_id, 0.0):
            return
        self._touched[caller.key_id] = now + keys.TOUCH_SECONDS
        threading.Thread(target=self._write_touch, args=(caller.key_id,), daemon=True).start()

    def _write_touch(self, key_id: str) -> None:
        try:
            with self._database.begin() as session:
                keys.touch(session, key_id)
        except SQLAlchemyError as error:
            log.warning("the last use of %s was not written: %s", key_id, type(error).__name__)
