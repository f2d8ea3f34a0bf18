"""One HTTP request to a web server, each of its redirects to an address that is checked anew."""

import http.client
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import unquote, urljoin, urlsplit

from core.spec.uris.addresses import TIMEOUT_SECONDS, connect
from core.spec.uris.reason import Unreachable

MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Answer = tuple[http.client.HTTPConnection, http.client.HTTPResponse]


class Interrupted(Unreachable):
    """A transfer or a server failed in a way that may pass."""


def request(
    method: str, url: str, headers: Mapping[str, str], *, private: bool, timeout_seconds: float = TIMEOUT_SECONDS
) -> Answer:
    """(connection, response) after at most MAX_REDIRECTS redirects; the caller closes the connection.

    `private`: whether addresses that are not public may be dialled. `timeout_seconds` is for the connection and for
    each read. Raises Unreachable with the reason, Interrupted for one that may pass.
    """
    for _ in range(MAX_REDIRECTS + 1):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise Unreachable(f"redirects to the scheme {parts.scheme!r}; allowed are http and https")
        connection, response = _one(method, url, headers, private, timeout_seconds)
        location = response.getheader("Location")
        if response.status not in _REDIRECTS or not location:
            return connection, response
        connection.close()
        try:
            url = urljoin(url, location)
            urlsplit(url)
        except ValueError:
            raise Unreachable("redirects to what is no URL") from None
    raise Unreachable(f"redirects more than {MAX_REDIRECTS} times")


def _one(method: str, url: str, headers: Mapping[str, str], private: bool, timeout_seconds: float) -> Answer:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise Unreachable(str(error)) from None
    if not host:
        raise Unreachable("names no host")
    connection = connect(parts.scheme, host, port, private=private, timeout_seconds=timeout_seconds)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, headers={"User-Agent": "retort", **_authorization(parts.netloc), **headers})
        return connection, connection.getresponse()
    except (http.client.HTTPException, OSError, ValueError) as error:
        connection.close()
        if isinstance(error, http.client.InvalidURL | ValueError) and not isinstance(error, OSError):
            raise Unreachable("holds characters that a URL may not hold") from None
        raise Interrupted(f"no answer from {host}:{port} ({error or type(error).__name__})") from None


def _authorization(netloc: str) -> dict[str, str]:
    user_info, at, _ = netloc.rpartition("@")
    if not at:
        return {}
    return {"Authorization": "Basic " + b64encode(unquote(user_info).encode()).decode()}
