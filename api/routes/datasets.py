"""/v1/datasets: images that are uploaded once, by the tus protocol, and named by jobs as dataset:<id>."""

import re
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import Field

from api.dataset_examples import DATASET, DATASET_PAGE
from api.dependencies import CallerDep, DatabaseDep, SettingsDep
from api.errors import Problem
from api.openapi import CHANGING, EVERYWHERE, problems, success
from api.parameters import Parameters
from api.schemas.datasets import DatasetPage, DatasetView
from api.upload import MEDIA_TYPE, STALL_SECONDS, VERSION, Incoming, metadata_of, receive
from store import datasets, quotas
from store.datasets import Dataset
from store.settings import Settings

router = APIRouter(tags=["datasets"])
_OFFSETS = ("Upload-Offset", "Upload-Length", "Tus-Resumable")
_MISSING = ("DATASET_NOT_FOUND",)
_SHA256 = re.compile("[0-9a-f]{64}")
_BYTES = {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}


class DatasetsQuery(Parameters):
    """Which datasets to list."""

    limit: int = Field(100, ge=1, le=1000)
    after: str | None = Field(None, max_length=64, description="`next_cursor` of the page before")


@router.post(
    "/v1/datasets",
    status_code=201,
    response_model=DatasetView,
    responses={
        201: success("Begun: send the bytes to Location", DATASET, headers=("Location", *_OFFSETS)),
        200: {
            "model": DatasetView,
            **success("The same bytes are there already, whole or in part", DATASET, headers=("Location", *_OFFSETS)),
        },
        **problems(*CHANGING, "UPLOAD_INVALID", "DATASET_TOO_LARGE", "QUOTA_EXCEEDED"),
    },
)
def begin_upload(
    database: DatabaseDep,
    settings: SettingsDep,
    caller: CallerDep,
    upload_length: Annotated[str | None, Header(description="bytes of the whole file")] = None,
    upload_metadata: Annotated[
        str | None, Header(description="pairs of a name and a base64 value: filename, name, sha256 (all optional)")
    ] = None,
) -> Response:
    """Begin to upload an archive. One with a `sha256` that is known is gone on with, or is there at once."""
    size = _size(upload_length, settings)
    named = metadata_of(upload_metadata or "")
    filename = _filename(named.get("filename", "upload"))
    sha256 = named.get("sha256")
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise Problem(400, "UPLOAD_INVALID", "Upload-Metadata: sha256 is 64 hexadecimal digits in lower case")
    name = (named.get("name") or filename).strip()[:200]
    with database.begin() as session:
        dataset, is_new = datasets.begin(session, caller, name=name, filename=filename, size_bytes=size, sha256=sha256)
        if is_new:
            quotas.check_upload(session, caller, settings.tenant_limits)
        database.concerns(dataset.id)
    return _answer(dataset, 201 if is_new else 200)


@router.patch(
    "/v1/datasets/{dataset_id}",
    status_code=204,
    responses={
        204: {
            "description": "Upload-Offset says how many bytes are stored; the last part makes the dataset ready",
            "headers": {name: {"schema": {"type": "string"}} for name in _OFFSETS},
        },
        **problems(
            *CHANGING,
            *_MISSING,
            "UPLOAD_INVALID",
            "CONTENT_TYPE_UNSUPPORTED",
            "OFFSET_CONFLICT",
            "UPLOAD_STALLED",
            "DATASET_DAMAGED",
        ),
    },
    openapi_extra={"requestBody": {"required": True, **_BYTES}},
)
async def upload_part(
    request: Request,
    dataset_id: str,
    database: DatabaseDep,
    caller: CallerDep,
    upload_offset: Annotated[str | None, Header(description="the number of bytes that are stored")] = None,
) -> Response:
    """Send the bytes from Upload-Offset on, all or some. What arrived before a connection broke is kept."""
    if request.headers.get("content-type", "") != MEDIA_TYPE:
        raise Problem(415, "CONTENT_TYPE_UNSUPPORTED", f"the Content-Type must be {MEDIA_TYPE}")
    if upload_offset is None or not upload_offset.isdecimal() or len(upload_offset) > 18:
        raise Problem(400, "UPLOAD_INVALID", "Upload-Offset: the number of bytes that are stored is needed")
    incoming, offset = Incoming(request), int(upload_offset)

    def store() -> Dataset:
        with database.read() as session:
            dataset = datasets.get(session, caller.tenant, dataset_id)
            datasets.expect(dataset, offset)
        receive(database, incoming, caller.tenant, dataset, offset)
        return datasets.complete(database, caller.tenant, dataset_id)

    dataset = await anyio.to_thread.run_sync(store)
    if incoming.stalled:
        told = f"no byte arrived for {STALL_SECONDS:.0f} seconds; {dataset.received_bytes} bytes are stored"
        raise Problem(408, "UPLOAD_STALLED", f"{told}: go on from there", headers={"Connection": "close"})
    return Response(status_code=204, headers=_tus(dataset))


@router.get(
    "/v1/datasets/{dataset_id}",
    response_model=DatasetView,
    responses={200: success("The dataset", DATASET, headers=_OFFSETS), **problems(*EVERYWHERE, *_MISSING)},
)
def get_dataset(dataset_id: str, database: DatabaseDep, caller: CallerDep) -> Response:
    """Look at a dataset; HEAD tells by Upload-Offset where an upload goes on."""
    with database.read() as session:
        return _answer(datasets.get(session, caller.tenant, dataset_id), 200)


@router.get(
    "/v1/datasets",
    response_model=DatasetPage,
    responses={200: success("The datasets", DATASET_PAGE), **problems(*EVERYWHERE, "PARAMETER_INVALID")},
)
def list_datasets(query: Annotated[DatasetsQuery, Query()], database: DatabaseDep, caller: CallerDep) -> DatasetPage:
    """List the uploaded datasets, the newest first."""
    with database.read() as session:
        found = datasets.list_datasets(session, caller.tenant, limit=query.limit + 1, before=query.after)
    shown = [DatasetView.model_validate(dataset) for dataset in found[: query.limit]]
    has_more = len(found) > query.limit
    return DatasetPage(data=shown, has_more=has_more, next_cursor=shown[-1].id if has_more else None)


@router.delete(
    "/v1/datasets/{dataset_id}",
    status_code=204,
    responses={204: {"description": "It is gone"}, **problems(*CHANGING, *_MISSING, "DATASET_IN_USE")},
)
def delete_dataset(dataset_id: str, database: DatabaseDep, caller: CallerDep) -> Response:
    """Delete a dataset, or give up its upload. Jobs that have ended keep what they made of it."""
    with database.begin() as session:
        datasets.remove(session, caller.tenant, dataset_id)
    return Response(status_code=204, headers={"Tus-Resumable": VERSION})


def _size(header: str | None, settings: Settings) -> int:
    if header is None or not header.isdecimal() or len(header) > 18 or int(header) < 1:
        raise Problem(400, "UPLOAD_INVALID", "Upload-Length: the size of the dataset in bytes is needed, 1 or more")
    if int(header) > settings.max_dataset_bytes:
        raise Problem(413, "DATASET_TOO_LARGE", f"a dataset may have at most {settings.max_dataset_bytes} bytes")
    return int(header)


def _filename(given: str) -> str:
    """The last part of a file's name, without what a file system would not take."""
    last = re.split(r"[/\\]", given)[-1]
    kept = "".join(letter for letter in last if letter.isprintable()).strip(" .")
    if not kept:
        raise Problem(400, "UPLOAD_INVALID", f"Upload-Metadata: filename {given!r:.100} names no file")
    return kept[-200:]


def _answer(dataset: Dataset, status: int) -> Response:
    body = DatasetView.model_validate(dataset).model_dump_json()
    headers = {"Location": f"/v1/datasets/{dataset.id}", "Cache-Control": "no-store", **_tus(dataset)}
    return Response(body, status, headers, "application/json")


def _tus(dataset: Dataset) -> dict[str, str]:
    return {
        "Tus-Resumable": VERSION,
        "Upload-Offset": str(dataset.received_bytes),
        "Upload-Length": str(dataset.size_bytes),
    }
