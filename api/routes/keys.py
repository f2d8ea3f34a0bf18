"""/v1/keys: API keys, for those who have the scope admin."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api.access_examples import KEY, KEY_PAGE, NEW_KEY, with_secret
from api.body import Body, parse_as
from api.dependencies import DatabaseDep
from api.openapi import CHANGING, EVERYWHERE, JSON_BODY, body_of, problems, success
from api.parameters import Parameters
from api.schemas.access import KeyPage, KeyView, KeyWithSecretView, NewKey, Rotation
from store import keys

router = APIRouter(tags=["access"])
SECONDS_PER_DAY = 86400.0


class KeysQuery(Parameters):
    """Which keys to list."""

    limit: int = Field(100, ge=1, le=1000)
    after: str | None = Field(None, max_length=64, description="`next_cursor` of the page before")


@router.post(
    "/v1/keys",
    status_code=201,
    response_model=KeyWithSecretView,
    responses={
        201: success("The key, with its text for the only time", with_secret(KEY)),
        **problems(*CHANGING, *JSON_BODY),
    },
    openapi_extra=body_of(NewKey, NEW_KEY),
)
def create_key(body: Body, database: DatabaseDep) -> Response:
    """Make an API key. Its text is shown once and stored nowhere."""
    wanted = parse_as(NewKey, body)
    seconds = None if wanted.expires_in_days is None else wanted.expires_in_days * SECONDS_PER_DAY
    with database.begin() as session:
        key, text = keys.create(
            session,
            tenant=wanted.tenant,
            name=wanted.name,
            scope=wanted.scope,
            expires_seconds=seconds,
            limits=wanted.limits.value(),
        )
        database.concerns(key.id)
    return _secret(KeyWithSecretView.of(key, text), 201)


@router.get(
    "/v1/keys",
    response_model=KeyPage,
    responses={200: success("The keys", KEY_PAGE), **problems(*EVERYWHERE, "PARAMETER_INVALID")},
)
def list_keys(query: Annotated[KeysQuery, Query()], database: DatabaseDep) -> KeyPage:
    """List the keys of all tenants, the newest first, revoked ones included."""
    with database.read() as session:
        found = keys.list_keys(session, limit=query.limit + 1, after=query.after)
    shown = [KeyView.model_validate(key) for key in found[: query.limit]]
    has_more = len(found) > query.limit
    return KeyPage(data=shown, has_more=has_more, next_cursor=shown[-1].id if has_more else None)


@router.get(
    "/v1/keys/{key_id}",
    responses={200: success("The key", KEY), **problems(*EVERYWHERE, "KEY_NOT_FOUND")},
)
def get_key(key_id: str, database: DatabaseDep) -> KeyView:
    """Look at a key."""
    with database.read() as session:
        return KeyView.model_validate(keys.get(session, key_id))


@router.post(
    "/v1/keys/{key_id}/rotate",
    response_model=KeyWithSecretView,
    responses={
        200: success("The key with its new text", with_secret(KEY)),
        **problems(*CHANGING, *JSON_BODY, "KEY_NOT_FOUND"),
    },
    openapi_extra=body_of(Rotation, {"overlap_seconds": 86400}),
)
def rotate_key(key_id: str, body: Body, database: DatabaseDep) -> Response:
    """Give a key another secret; the secret before is accepted for a while, so that nothing has to stop."""
    wanted = parse_as(Rotation, body)
    with database.begin() as session:
        key, text = keys.rotate(session, key_id, wanted.overlap_seconds)
    return _secret(KeyWithSecretView.of(key, text), 200)


@router.delete(
    "/v1/keys/{key_id}",
    responses={200: success("The key, revoked", KEY), **problems(*CHANGING, "KEY_NOT_FOUND")},
)
def revoke_key(key_id: str, database: DatabaseDep) -> KeyView:
    """Revoke a key for good; within a second nothing accepts it, nor the sessions that it opened."""
    with database.begin() as session:
        return KeyView.model_validate(keys.revoke(session, key_id))


def _secret(view: Any, status: int) -> Response:
    return Response(view.model_dump_json(), status, {"Cache-Control": "no-store"}, "application/json")
