"""/v1/jobs/{id}/artifacts: the list, and the bytes."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header, Request, Response
from starlette.responses import RedirectResponse, StreamingResponse

from api.conditions import matches
from api.dependencies import DatabaseDep
from api.errors import Problem
from api.examples import ARTIFACT_LIST
from api.head import IS_HEAD
from api.openapi import EVERYWHERE, problems, success
from api.ranges import Unsatisfiable, parse_range
from api.schemas.artifacts import ArtifactList, ArtifactView
from store import blobs, jobs, queries
from store.database import Database
from store.values import Artifact

router = APIRouter(tags=["artifacts"])
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_REFUSALS = problems(*EVERYWHERE, "JOB_NOT_FOUND", "ARTIFACT_NOT_FOUND", "RANGE_NOT_SATISFIABLE")
_HEADERS = ("Content-Length", "ETag", "Accept-Ranges", "Content-Disposition")


def _shown(*names: str) -> dict[str, object]:
    return {name: {"schema": {"type": "string"}} for name in names}


@router.get(
    "/v1/jobs/{job_id}/artifacts",
    response_model=ArtifactList,
    responses={200: success("The files, by name", ARTIFACT_LIST), **problems(*EVERYWHERE, "JOB_NOT_FOUND")},
)
def list_artifacts(job_id: str, database: DatabaseDep) -> Response:
    """List the files that came of a job."""
    with database.read() as session:
        jobs.version(session, job_id)
        found = queries.artifacts(session, job_id)
    data = [ArtifactView(**vars(artifact), href=_href(job_id, artifact.name)) for artifact in found]
    return Response(ArtifactList(data=data).model_dump_json(), media_type="application/json")


@router.get(
    "/v1/jobs/{job_id}/artifacts/{name:path}",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The bytes; the ETag is their sha256",
            "content": {"application/octet-stream": _BYTES},
            "headers": _shown(*_HEADERS),
        },
        206: {
            "description": "The range asked for",
            "content": {"application/octet-stream": _BYTES},
            "headers": _shown("Content-Range", *_HEADERS),
        },
        304: {"description": "You have it already"},
        307: {
            "description": "The bytes are at this address, which needs no key and expires "
            "(RETORT_BLOB_DOWNLOADS=redirect)",
            "headers": _shown("Location", "ETag"),
        },
        **_REFUSALS,
    },
)
def download_artifact(
    job_id: str,
    name: str,
    request: Request,
    database: DatabaseDep,
    range_: Annotated[str | None, Header(alias="Range", description="one range, such as bytes=1048576-")] = None,
    if_range: Annotated[str | None, Header(description="the ETag of the part you have")] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Download a file, or a range of it; a broken download goes on with Range and If-Range."""
    with database.read() as session:
        jobs.version(session, job_id)
        artifact = queries.artifact(session, job_id, name)
    if artifact is None:
        raise Problem(404, "ARTIFACT_NOT_FOUND", f"job {job_id} has no artifact {name!r}")
    headers = _headers(artifact)
    if matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers={name: headers[name] for name in ("ETag", "Cache-Control")})
    if url := _elsewhere(request, database, artifact):
        # The address may be used once and until it expires, so nobody keeps the answer.
        return RedirectResponse(url, 307, {"ETag": headers["ETag"], "Cache-Control": "no-store"})
    wanted = range_ if if_range in (None, headers["ETag"]) else None
    status, start, stop = _selected(wanted, artifact.size_bytes)
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{artifact.size_bytes}"
    headers["Content-Length"] = str(stop - start)
    is_whole = (start, stop) == (0, artifact.size_bytes)
    pieces = (
        blobs.read_whole(database, artifact.sha256)
        if is_whole
        else blobs.open_range(database, artifact.sha256, start, stop)
    )
    return StreamingResponse(pieces, status, headers, artifact.media_type)


def _elsewhere(request: Request, database: Database, artifact: Artifact) -> str | None:
    """The address in the object store to which the client is sent; None where the API sends the bytes.

    It sends pictures itself, because the dashboard shows them and may load from its own address alone; and the answer
    to HEAD, because an address is signed for GET.
    """
    if request.scope.get(IS_HEAD) or artifact.media_type.startswith("image/"):
        return None
    shown = disposition(artifact.name)
    return blobs.presigned_url(database, artifact.sha256, media_type=artifact.media_type, disposition=shown)


def _selected(wanted: str | None, size: int) -> tuple[int, int, int]:
    """Status, start and stop of what is to be sent."""
    try:
        byte_range = parse_range(wanted, size)
    except Unsatisfiable:
        headers = {"Content-Range": f"bytes */{size}"}
        raise Problem(416, "RANGE_NOT_SATISFIABLE", f"the artifact has {size} bytes", headers=headers) from None
    return (200, 0, size) if byte_range is None else (206, *byte_range)


def _headers(artifact: Artifact) -> dict[str, str]:
    return {
        "ETag": f'"{artifact.sha256}"',
        "Accept-Ranges": "bytes",
        "Content-Disposition": disposition(artifact.name),
        # An artifact of the same name may come anew with a retry, so a copy is asked about before it is used.
        "Cache-Control": "private, no-cache",
    }


def disposition(name: str) -> str:
    """`attachment` under the last part of the name (RFC 6266; the plain form for clients that know no other)."""
    last = name.rpartition("/")[2] or "artifact"
    plain = "".join(char if char.isascii() and char.isprintable() and char not in '"\\%' else "_" for char in last)
    extended = f"; filename*=UTF-8''{quote(last, safe='')}" if plain != last else ""
    return f'attachment; filename="{plain}"{extended}'


def _href(job_id: str, name: str) -> str:
    return f"/v1/jobs/{job_id}/artifacts/{quote(name)}"
