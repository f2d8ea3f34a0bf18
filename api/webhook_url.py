"""Whether an address may be told of jobs: checked when it is given, and its addresses again at each try."""

from urllib.parse import SplitResult, urlsplit

from api.errors import Problem
from core.spec.uris.addresses import resolve
from core.spec.uris.limits import Limits
from core.spec.uris.reason import Unreachable

PORTS = {"http": 80, "https": 443}
SECONDS = 15.0  # for all of a try


def limits_of(private: bool, ports: tuple[int, ...]) -> Limits:
    """What a try may do. `private`: whether addresses that are not public may be dialled; else only `ports`."""
    return Limits(private, ports, total_seconds=SECONDS, read_seconds=SECONDS)


def check(url: str, limits: Limits) -> None:
    """Raise Problem 422 for what is no endpoint: another scheme, a user or fragment, a host that may not be dialled."""
    try:
        parts = urlsplit(url)
        fault = _fault(url, parts, limits)
        if fault is None:
            host, port = host_and_port(parts)
            limits.check_port(port)
            resolve(host, port, private=limits.private)
    except (Unreachable, ValueError) as error:
        fault = str(error)
    if fault is not None:
        raise Problem(422, "WEBHOOK_URL_REFUSED", f"/url: {fault}", errors=[("/url", fault)])


def _fault(url: str, parts: SplitResult, limits: Limits) -> str | None:
    allowed = ("https", "http") if limits.private else ("https",)
    if parts.scheme not in allowed:
        return f"the scheme is {parts.scheme!r}; allowed: {', '.join(allowed)}"
    if "@" in parts.netloc or parts.fragment:
        return "an endpoint has no user, password or fragment; its secret signs the messages"
    if not parts.hostname:
        return "names no host"
    if not (url.isascii() and url.isprintable()) or " " in url:  # urlsplit leaves line ends and tabs out
        return "holds characters that a URL may not hold"
    return None


def host_and_port(parts: SplitResult) -> tuple[str, int]:
    """Where to connect; raises ValueError for a port that is none."""
    return parts.hostname or "", PORTS[parts.scheme] if parts.port is None else parts.port
