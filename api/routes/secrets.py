"""/v1/secrets: credentials that jobs name and never hold. They are stored encrypted, and no answer shows a value."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.body import Body, parse_json
from api.dependencies import CallerDep, DatabaseDep, SettingsDep
from api.errors import Problem
from api.examples import SECRETS
from api.openapi import CHANGING, EVERYWHERE, JSON_BODY, body_of, problems, success
from api.schemas.secrets import NewSecret, SecretList, SecretView
from core.spec.uris.credentials import SECRET_NAME
from store import secrets
from store.sealing import Sealer
from store.secrets import MAX_CHARACTERS

router = APIRouter(tags=["secrets"])
Name = Annotated[
    str, Path(pattern=f"^{SECRET_NAME}$", description="a to z, 0 to 9, - and _, 63 at most", examples=["photos"])
]


@router.put(
    "/v1/secrets/{name}",
    status_code=204,
    responses={
        204: {"description": "It is stored, in place of the one before"},
        **problems(*CHANGING, *JSON_BODY, "PARAMETER_INVALID", "TOO_MANY_SECRETS"),
    },
    openapi_extra=body_of(NewSecret, {"value": "https://bucket.example/photos.zip?X-Amz-Signature=..."}),
)
def put_secret(name: Name, body: Body, database: DatabaseDep, settings: SettingsDep, caller: CallerDep) -> Response:
    """Store a secret. A job names it as `secret://name`; running jobs keep the value with which they began."""
    value = _value(parse_json(body))
    sealer = Sealer.of(settings.sealing_keys, settings.data_dir)
    with database.begin() as session:
        secrets.put(session, sealer, tenant=caller.tenant, name=name, value=value)
    return Response(status_code=204)


@router.get(
    "/v1/secrets",
    responses={200: success("The names", SECRETS), **problems(*EVERYWHERE)},
)
def list_secrets(database: DatabaseDep, caller: CallerDep) -> SecretList:
    """List the secrets by name. Their values are not shown by any call."""
    with database.read() as session:
        found = secrets.list_secrets(session, tenant=caller.tenant)
    return SecretList(data=[SecretView.model_validate(secret) for secret in found])


@router.delete(
    "/v1/secrets/{name}",
    status_code=204,
    responses={
        204: {"description": "It is gone"},
        **problems(*CHANGING, "PARAMETER_INVALID", "SECRET_NOT_FOUND"),
    },
)
def remove_secret(name: Name, database: DatabaseDep, caller: CallerDep) -> Response:
    """Remove a secret. Jobs that name it and have not begun will fail."""
    with database.begin() as session:
        secrets.remove(session, tenant=caller.tenant, name=name)
    return Response(status_code=204)


def _value(document: object) -> str:
    """The value in the body; a refusal quotes none of it."""
    if not isinstance(document, dict) or set(document) != {"value"} or not isinstance(document["value"], str):
        raise _refused("", 'the body must be {"value": "..."}')
    value: str = document["value"]
    if len(value) > MAX_CHARACTERS or not value.strip():
        raise _refused("/value", f"a secret has 1 to {MAX_CHARACTERS} characters, not all of them white space")
    return value.strip()


def _refused(pointer: str, detail: str) -> Problem:
    return Problem(422, "SPEC_INVALID", f"{pointer or '/'}: {detail}", errors=[(pointer, detail)])
