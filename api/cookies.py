"""The cookie of a browser's session: no script reads it, no other site's request carries it."""

from starlette.requests import Request
from starlette.responses import Response

from api.authentication import COOKIE
from store.settings import Settings


def set_session(response: Response, request: Request, settings: Settings, secret: str) -> None:
    """Give the browser its session; over https the browser never sends it in the clear."""
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(settings.session_seconds),
        path="/",
        httponly=True,
        samesite="strict",
        secure=is_secure(request, settings),
    )


def clear_session(response: Response) -> None:
    """Make the browser forget its session."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


def is_secure(request: Request, settings: Settings) -> bool:
    """Whether browsers reach the service over https, which a proxy may end before it."""
    return (settings.public_url or str(request.url)).startswith("https:")
