"""Downloads over http(s): atomic, and not repeated while the server says that the file has not changed."""

import hashlib
import http.client
import json
import logging
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.data.tree import READ_BYTES, file_sha256
from core.files.atomic import atomic_path
from core.policy import Policy
from core.spec.uris.deadline import Deadline
from core.spec.uris.limits import Limits
from core.spec.uris.reason import Unreachable
from core.spec.uris.web import Interrupted, phrase, reason, request

ATTEMPTS = 3  # for what may pass: a broken transfer, 5xx
PAUSE_SECONDS = 0.5  # doubled after each attempt
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Receipt:
    """What is remembered of a download: what the server called it, and what arrived."""

    etag: str | None
    last_modified: str | None
    sha256: str


def download(url: str, cache: Path, *, policy: Policy, authorization: Mapping[str, str] | None = None) -> Path:
    """The file behind `url`, in the cache; `authorization` are headers for its host alone.

    Raises Unreachable with the reason; DiskFull.
    """
    limits = Limits(
        private=policy.private_addresses,
        ports=policy.download_ports,
        total_seconds=policy.max_download_seconds,
        authorization=authorization or {},
    )
    # What one pair of URL and credentials opened is not handed to another.
    asked = "\n".join([url, *(f"{name}: {value}" for name, value in limits.authorization.items())])
    folder = downloads_below(cache) / hashlib.sha256(asked.encode()).hexdigest()
    target = folder / _file_name(url)
    for attempt in range(1, ATTEMPTS):
        try:
            return _download(url, target, policy, limits)
        except Interrupted as error:
            _log.warning("download interrupted (%s); trying again", error)
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
    return _download(url, target, policy, limits)


def downloads_below(cache: Path) -> Path:
    """Where downloaded files are."""
    return cache / "downloads"


def _download(url: str, target: Path, policy: Policy, limits: Limits) -> Path:
    known = _receipt(target)
    with ExitStack() as transfer:
        deadline = transfer.enter_context(Deadline(limits.total_seconds))
        connection, response = request("GET", url, _conditions(known), limits, deadline)
        transfer.enter_context(closing(connection))
        if response.status == 304 and known is not None:
            os.utime(target)  # used: the cache removes the least recently used first
            return target
        if response.status != 200:
            kind = Interrupted if response.status >= 500 or response.status == 429 else Unreachable
            raise kind(f"the server answers {phrase(response.status)}")
        with atomic_path(target) as temporary:
            sha256 = _receive(response, temporary, policy.max_download_bytes)
            deadline.left()  # a body without a length ends where the deadline cut it off
        receipt = Receipt(response.getheader("ETag"), response.getheader("Last-Modified"), sha256)
    with atomic_path(_receipt_path(target)) as temporary:
        temporary.write_text(json.dumps(asdict(receipt)))
    return target


def _conditions(known: Receipt | None) -> dict[str, str]:
    if known is None:
        return {}
    conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: value for name, value in conditions.items() if value}


def _receive(response: http.client.HTTPResponse, path: Path, most: int) -> str:
    """Write the body; its sha256. Refuses more than `most` bytes, and notices where fewer come than were promised."""
    length = response.headers["Content-Length"] or ""
    promised = int(length[:20]) if length.isascii() and length.isdecimal() else None
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
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            raise Interrupted(f"the transfer broke off after {received} bytes ({reason(error)})") from None
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
