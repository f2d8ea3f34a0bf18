"""What a job reads from outside, checked at submit as far as no engine is needed: local files, web servers."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from itertools import islice
from pathlib import Path

from api.warning_codes import INPUT_UNREACHABLE
from core.errors import SpecInvalid
from core.spec import JobSpec
from core.spec.uris import files
from core.spec.uris.deadline import Deadline
from core.spec.uris.limits import Limits
from core.spec.uris.reason import Unreachable
from core.spec.uris.redaction import redacted
from core.spec.uris.web import phrase, request
from store.settings import Settings
from store.values import JobWarning

MOST_FILES = 200  # of one job; a trajectory may name many
MOST_URLS = 8
URL_SECONDS = 3.0  # for all URLs of a job together
# Servers that never answer must not hold more threads than these; a job that finds none free is not checked.
_FREE = threading.BoundedSemaphore(16)
# Not offered for HEAD, though the file may be there.
_NO_HEAD = (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
HINT = "the job fails where the engine cannot read it either; a URL that is signed for GET alone refuses this check"

Located = tuple[str, str]


def located(spec: JobSpec) -> Iterator[Located]:
    """(JSON pointer, URI) of every input that a job names."""
    yield "/dataset/uri", spec.dataset.uri
    yield "/dataset/target_uri", spec.dataset.target_uri or ""
    yield "/student/weights", spec.student.weights or ""
    teachers = [("/teacher", spec.teacher)] if spec.teacher else []
    teachers += [(f"/more_teachers/{index}", teacher) for index, teacher in enumerate(spec.more_teachers)]
    for pointer, teacher in teachers:
        yield f"{pointer}/weights", teacher.weights or ""
        for index, uri in enumerate(teacher.trajectory or ()):
            yield f"{pointer}/trajectory/{index}", uri


def check(spec: JobSpec, settings: Settings) -> list[JobWarning]:
    """The warnings about inputs; raises SpecInvalid where the job cannot run."""
    check_files(spec, settings)
    return check_urls(spec, settings)


def check_files(spec: JobSpec, settings: Settings) -> None:
    """Raise SpecInvalid for each file: URI that cannot be read.

    Only where API and workers share one machine: elsewhere the API does not see the workers' files.
    """
    if not settings.is_embedded:
        return
    roots = [Path(root) for root in settings.file_roots]
    wrong = []
    for pointer, uri in islice(_of_scheme(spec, "file"), MOST_FILES):
        try:
            _check_content(files.find(uri, roots))
        except (Unreachable, OSError) as error:
            wrong.append((pointer, f"{uri!r}: {_reason(error)}"))
    if wrong:
        raise SpecInvalid(wrong)


def _check_content(path: Path) -> None:
    if path.is_file() and path.stat().st_size == 0:
        raise Unreachable("is an empty file (0 bytes)")
    if path.is_dir() and not any(path.iterdir()):
        raise Unreachable("is an empty folder")


def _reason(error: Unreachable | OSError) -> str:
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error})"
    return f"{error}; {error.hint}" if error.hint else str(error)


def check_urls(spec: JobSpec, settings: Settings) -> list[JobWarning]:
    """A warning for each http(s): URI that does not answer HEAD in time, in the order of the spec.

    Never a refusal, as workers may have another network. No text of the server's is shown, and no address is dialled
    that the operator keeps from engines.
    """
    # A URL that credentials open is not asked: they belong to the engine alone.
    urls = list(islice((one for one in _of_scheme(spec, "http", "https") if not _is_opened(one, spec)), MOST_URLS))
    found: dict[Located, JobWarning | None] = {}
    threads = [thread for url in urls if (thread := _start(url, found, settings))]
    until = time.monotonic() + URL_SECONDS
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    unanswered = {url: _warning(url, f"no answer within {URL_SECONDS:.0f} seconds") for url in urls}
    started = {thread.name for thread in threads}
    answers = [found.get(url, unanswered[url]) for url in urls if url[0] in started]
    return [warning for warning in answers if warning is not None]


def _of_scheme(spec: JobSpec, *schemes: str) -> Iterator[Located]:
    return (one for one in located(spec) if one[1].partition(":")[0] in schemes)


def _is_opened(url: Located, spec: JobSpec) -> bool:
    """Whether credentials are named for it."""
    part = spec.dataset if url[0].startswith("/dataset") else spec.student if url[0].startswith("/student") else None
    if part is not None:
        return part.credentials is not None
    teachers = [one for one in (spec.teacher, *spec.more_teachers) if one is not None]
    return any(one.credentials for one in teachers if url[1] in (one.weights, *(one.trajectory or ())))


def _start(url: Located, found: dict[Located, JobWarning | None], settings: Settings) -> threading.Thread | None:
    """A thread, named by the pointer, that puts what it found into `found`; None where too many are at work."""
    free = _FREE
    if not free.acquire(blocking=False):
        return None

    def look() -> None:
        try:
            found[url] = _head(url, settings)
        finally:
            free.release()

    thread = threading.Thread(target=look, name=url[0], daemon=True)
    thread.start()
    return thread


def _head(url: Located, settings: Settings) -> JobWarning | None:
    limits = Limits(
        private=settings.private_addresses,
        ports=settings.download_ports,
        total_seconds=URL_SECONDS,
        read_seconds=URL_SECONDS,
    )
    try:
        with Deadline(limits.total_seconds) as deadline:
            connection, response = request("HEAD", url[1], {}, limits, deadline)
    except (Unreachable, ValueError) as error:
        return _warning(url, str(error))
    with closing(connection):
        size = response.getheader("Content-Length") or ""
    if response.status >= 400 and response.status not in _NO_HEAD:
        return _warning(url, f"the server answers {phrase(response.status)}")
    if size.isascii() and size.isdecimal() and int(size[:20]) > settings.max_download_bytes:
        return _warning(url, f"has {size[:20]} bytes; allowed are {settings.max_download_bytes}")
    return None


def _warning(url: Located, reason: str) -> JobWarning:
    pointer, uri = url
    return JobWarning(INPUT_UNREACHABLE, f"{pointer}: {redacted(uri)}: {reason}", HINT)
