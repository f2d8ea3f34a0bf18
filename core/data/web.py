"""http(s): downloads, whole or not at all, and not again while the server says that nothing changed."""

import hashlib
import http.client
import json
import logging
import time
from base64 import b64encode
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from core.data.addresses import connect
from core.data.landing import landing
from core.data.reason import Unreachable
from core.data.tree import READ_BYTES, file_sha256
from core.policy import Policy

MAX_REDIRECTS = 3
ATTEMPTS = 3  # for what may pass: a broken transfer, 5xx
PAUSE_SECONDS = 0.5  # doubled after each attempt
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_log = logging.getLogger(__name__)


class Interrupted(Unreachable):
    """A transfer or a server failed in a way that may pass."""


@dataclass(frozen=True)
class Receipt:
    """What is remembered of a download: what the server called it, and what arrived."""

    etag: str | None
    last_modified: str | None
    sha256: str


def download(url: str, cache: Path, *, policy: Policy) -> Path:
    """The file behind `url`, in the cache. Raises Unreachable with the reason; DiskFull."""
    folder = cache / "downloads" / hashlib.sha256(url.encode()).hexdigest()
    target = folder / _file_name(url)
    for attempt in range(1, ATTEMPTS):
        try:
            return _download(url, target, policy)
        except Interrupted as error:
            _log.warning("download interrupted (%s); trying again", error)
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
    return _download(url, target, policy)


def _download(url: str, target: Path, policy: Policy) -> Path:
    known = _receipt(target)
    connection, response = _request(url, _conditions(known), policy)
    with closing(connection):
        if response.status == 304 and known is not None:
            return target
        if response.status != 200:
            kind = Interrupted if response.status >= 500 or response.status == 429 else Unreachable
            raise kind(f"the server answers {response.status} {response.reason}")
        with landing(target) as temporary:
            sha256 = _receive(response, temporary, policy.max_download_bytes)
        receipt = Receipt(response.getheader("ETag"), response.getheader("Last-Modified"), sha256)
    with landing(_receipt_path(target)) as temporary:
        temporary.write_text(json.dumps(asdict(receipt)))
    return target


def _conditions(known: Receipt | None) -> dict[str, str]:
    if known is None:
        return {}
    conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: value for name, value in conditions.items() if value}


def _request(
    url: str, headers: dict[str, str], policy: Policy
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """The answer to GET after at most three redirects, each to an address that is checked anew."""
    for _ in range(MAX_REDIRECTS + 1):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise Unreachable(f"redirects to the scheme {parts.scheme!r}; allowed are http and https")
        connection, response = _get(url, headers, policy)
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


def _get(
    url: str, headers: dict[str, str], policy: Policy
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise Unreachable(str(error)) from None
    if not host:
        raise Unreachable("names no host")
    connection = connect(parts.scheme, host, port, private=policy.private_addresses)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("GET", target, headers={"User-Agent": "retort", **_authorization(parts.netloc), **headers})
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


def _receive(response: http.client.HTTPResponse, path: Path, most: int) -> str:
    """Write the body; its sha256. Refuses more than `most` bytes, and notices where fewer come than were promised."""
    promised = int(response.headers["Content-Length"]) if (response.headers["Content-Length"] or "").isdigit() else None
    if promised is not None and promised > most:
        raise Unreachable(f"has {promised} bytes; allowed are {most}")
    digest, received = hashlib.sha256(), 0
    with path.open("wb") as file:
        try:
            while block := response.read(READ_BYTES):
                received += len(block)
                if received > most:
                    raise Unreachable(f"has more than {most} bytes, which is what is allowed")
                digest.update(block)
                file.write(block)
        except http.client.IncompleteRead as error:
            received += len(error.partial)
            raise Interrupted(f"the transfer broke off after {received} bytes") from None
        except (ConnectionError, TimeoutError) as error:
            raise Interrupted(f"the transfer broke off after {received} bytes ({error})") from None
    if promised is not None and received != promised:
        raise Interrupted(f"the transfer broke off after {received} of {promised} bytes")
    return digest.hexdigest()


def _receipt_path(target: Path) -> Path:
    return target.parent / "receipt.json"


def _receipt(target: Path) -> Receipt | None:
    """The receipt of a download that still lies there as it arrived."""
    try:
        receipt = Receipt(**json.loads(_receipt_path(target).read_text()))
        return receipt if file_sha256(target) == receipt.sha256 else None
    except (OSError, ValueError, TypeError):
        return None


def _file_name(url: str) -> str:
    """The last part of the path, which tells a reader the format; made harmless."""
    name = unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2]
    kept = "".join(letter for letter in name if letter.isalnum() or letter in "._-")[-100:].lstrip(".")
    return kept if kept and kept != "receipt.json" else "download"
