"""One HTTP request to a web server, each of its redirects to an address that is checked anew.

No error quotes what a server sent: not its reason phrase, its headers, nor where it redirects to. A server that only
this machine reaches could otherwise be read through the errors of a job.
"""

import http.client
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import SplitResult, urljoin, urlsplit

from core.spec.uris.addresses import connect
from core.spec.uris.deadline import Deadline
from core.spec.uris.limits import MAX_REDIRECTS, Limits
from core.spec.uris.reason import Unreachable

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DEFAULT_PORTS = {"http": 80, "https": 443}

Answer = tuple[http.client.HTTPConnection, http.client.HTTPResponse]


class Interrupted(Unreachable):
    """A transfer or a server failed in a way that may pass."""


def request(method: str, url: str, headers: Mapping[str, str], limits: Limits, deadline: Deadline) -> Answer:
    """(connection, response) after at most MAX_REDIRECTS redirects; the caller closes the connection.

    Raises Unreachable with the reason, Interrupted for one that may pass.
    """
    first = parts = _split(url)
    for hop in range(MAX_REDIRECTS + 1):
        try:
            sent = {**headers, **(limits.authorization if _origin(parts) == _origin(first) else {})}
            connection, response = _one(method, parts, sent, limits, deadline)
        except Unreachable as error:
            raise error if hop == 0 else _after_redirect(error) from None
        location = response.getheader("Location")
        if response.status not in _REDIRECTS or not location:
            return connection, response
        connection.close()
        parts = _next(parts, location)
    raise Unreachable(f"redirects more than {MAX_REDIRECTS} times")


def phrase(status: int) -> str:
    """A status in the words of the standard; the server's own might be anything."""
    return f"{status} {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else str(status)


def _after_redirect(error: Unreachable) -> Unreachable:
    """The failure without the address, which is the server's word; its own name where the kind alone is told."""
    if isinstance(error, Interrupted):
        return Interrupted("no answer from the address that it redirects to")
    if "private address" in str(error):
        return Unreachable("redirects to a private address; the operator allows public ones only")
    return Unreachable("redirects to an address that cannot be reached or may not be used")


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise Unreachable("is no URL") from None


def _next(parts: SplitResult, location: str) -> SplitResult:
    """Where a redirect leads, if it may be followed."""
    try:
        following = urlsplit(urljoin(parts.geturl(), location))
    except ValueError:
        raise Unreachable("redirects to what is no URL") from None
    if following.scheme not in _DEFAULT_PORTS:
        raise Unreachable("redirects to another scheme than http and https")
    if parts.scheme == "https" and following.scheme == "http":
        raise Unreachable("redirects from https to http, which anyone on the way could read and change")
    if "@" in following.netloc:
        raise Unreachable("redirects to an address with user information")
    return following


def _origin(parts: SplitResult) -> tuple[str, str]:
    return parts.scheme, parts.netloc


def _one(method: str, parts: SplitResult, headers: Mapping[str, str], limits: Limits, deadline: Deadline) -> Answer:
    host, port = _host_and_port(parts)
    limits.check_port(port)
    connection = connect(
        parts.scheme, host, port, private=limits.private, deadline=deadline, timeout_seconds=limits.read_seconds
    )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, headers={"User-Agent": "retort", **headers})
        return connection, connection.getresponse()
    except (http.client.HTTPException, OSError, ValueError) as error:
        connection.close()
        deadline.left()
        if isinstance(error, http.client.InvalidURL | ValueError) and not isinstance(error, OSError):
            raise Unreachable("holds characters that a URL may not hold") from None
        raise Interrupted(f"no answer from {host}:{port} ({reason(error)})") from None


def reason(error: http.client.HTTPException | OSError) -> str:
    """Why a transfer failed, in this machine's words: an exception of http.client quotes the server's."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, http.client.RemoteDisconnected):
        return "the server closed the connection"
    return "it does not speak HTTP" if isinstance(error, http.client.HTTPException) else type(error).__name__


def _host_and_port(parts: SplitResult) -> tuple[str, int]:
    if "@" in parts.netloc:
        raise Unreachable("holds a user or password; name them in `credentials`")
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Unreachable(str(error)) from None
    if not host:
        raise Unreachable("names no host")
    return host, _DEFAULT_PORTS[parts.scheme] if port is None else port
