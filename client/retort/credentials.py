"""The API key that a client sends: the one it is given, that of RETORT_API_KEY, or that of this machine's service."""

import os
from collections.abc import Generator

import httpx

from retort import local_service

VARIABLE = "RETORT_API_KEY"


class KeyAuth(httpx.Auth):
    """Sends an API key to one service, and to no other address that an answer may name."""

    def __init__(self, key: str, url: str) -> None:
        self._authorization = f"Bearer {key}"
        self._origin = _origin(httpx.URL(url))

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header, where the request goes to the service."""
        if _origin(request.url) == self._origin:
            request.headers["Authorization"] = self._authorization
        yield request


def credentials_for(url: str, key: str | None) -> tuple[str, KeyAuth | None]:
    """The address to connect to, and what to send there; None where no key is known.

    The name `localhost` stands for two addresses, of which another user may hold one: it becomes the exact one.
    """
    key = key or os.environ.get(VARIABLE) or None
    if key is not None:
        return url, KeyAuth(_checked(key), url)
    service = local_service.find(url)
    return (service.url, KeyAuth(service.key, service.url)) if service else (url, None)


def _checked(key: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError(f"the API key (of {VARIABLE}, or given) has characters that no key has; a key is rtk_...")
    return key


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
