"""/v1/session: a browser signs in with a key or a link, looks who it is, and signs out."""

from datetime import datetime

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from api.access_examples import SESSION, SIGN_IN_LINK
from api.authentication import session_cookie, unauthenticated
from api.body import Body, parse_as
from api.cookies import clear_session, set_session
from api.dependencies import AuthenticatorDep, CallerDep, DatabaseDep, DenialsDep, SettingsDep, entry_of
from api.errors import Problem
from api.openapi import CHANGING, EVERYWHERE, JSON_BODY, PUBLIC, body_of, problems, success
from api.schemas.access import Credentials, SessionView, SignInLinkView
from store import audit, keys, sessions
from store.callers import Caller
from store.settings import Settings

router = APIRouter(tags=["access"])
# A link is printed by `retort up`, and may be opened hours later; it signs in once.
LINK_SECONDS = 86400


@router.post(
    "/v1/session",
    status_code=201,
    response_model=SessionView,
    responses={
        201: success("Signed in; the session is in a cookie", SESSION, headers=("Set-Cookie",)),
        **problems(*PUBLIC, *JSON_BODY, "ORIGIN_FORBIDDEN", "SIGN_IN_FAILED"),
    },
    openapi_extra=body_of(Credentials, {"key": "rtk_..."}),
)
def sign_in(
    body: Body, request: Request, database: DatabaseDep, settings: SettingsDep, denials: DenialsDep
) -> Response:
    """Sign a browser in with an API key, or with the code of a sign-in link."""
    wanted = parse_as(Credentials, body)
    if (wanted.key is None) == (wanted.code is None):
        detail = "send either key or code"
        raise Problem(422, "BODY_INVALID", f"/key: {detail}", errors=[("/key", detail)])
    with database.begin_unattributed() as session:
        caller = keys.find_caller(session, wanted.key) if wanted.key else sessions.redeem(session, wanted.code or "")
        opened = _open(session, request, settings, caller) if caller else None
    if caller is None or opened is None:
        denials.record(request.scope, "SIGN_IN_FAILED")
        raise _refusal(wanted)
    secret, expires_at = opened
    response = _shown(caller, settings, expires_at, 201)
    set_session(response, request, settings, secret)
    return response


@router.get(
    "/v1/session", response_model=SessionView, responses={200: success("Who", SESSION), **problems(*EVERYWHERE)}
)
def get_session(request: Request, caller: CallerDep, database: DatabaseDep, settings: SettingsDep) -> Response:
    """Say whom the key or the session of this request stands for."""
    secret = session_cookie(request.headers)
    with database.read() as session:
        found = sessions.find(session, secret) if secret and "authorization" not in request.headers else None
    return _shown(caller, settings, found.expires_at if found else None, 200)


@router.delete(
    "/v1/session",
    status_code=204,
    responses={204: {"description": "Signed out; the cookie is removed"}, **problems(*CHANGING)},
)
def sign_out(
    request: Request, database: DatabaseDep, settings: SettingsDep, authenticator: AuthenticatorDep
) -> Response:
    """End the browser's session."""
    secret = session_cookie(request.headers)
    if secret is not None:
        with database.begin() as session:
            sessions.close(session, secret)
        authenticator.forget(secret)
    response = Response(status_code=204)
    clear_session(response)
    return response


@router.post(
    "/v1/session/links",
    status_code=201,
    responses={201: success("A link", SIGN_IN_LINK), **problems(*CHANGING)},
)
def create_sign_in_link(caller: CallerDep, database: DatabaseDep, response: Response) -> SignInLinkView:
    """Make a link that signs a browser in as the caller, once, within a day.

    The code is in the part of the address that browsers do not send, so no log and no proxy sees it.
    """
    with database.begin() as session:
        code = sessions.issue(session, "code", caller, LINK_SECONDS)
    response.headers["Cache-Control"] = "no-store"
    return SignInLinkView(path=f"/#/sign-in/{code}", expires_in_seconds=LINK_SECONDS)


def _open(session: Session, request: Request, settings: Settings, caller: Caller) -> tuple[str, datetime] | None:
    """The secret of a new session, and when it ends."""
    secret = sessions.issue(session, "session", caller, settings.session_seconds)
    audit.record(session, entry_of(request, caller))
    found = sessions.find(session, secret)
    return (secret, found.expires_at) if found else None


def _refusal(wanted: Credentials) -> Problem:
    what = (
        "the API key is unknown, expired or revoked" if wanted.key else "the sign-in link is unknown, used or expired"
    )
    challenge = unauthenticated("").headers
    return Problem(401, "SIGN_IN_FAILED", what, headers=challenge)


def _shown(caller: Caller, settings: Settings, expires_at: datetime | None, status: int) -> Response:
    view = SessionView(
        name=caller.name,
        tenant=caller.tenant,
        scope=caller.scope,
        authentication=settings.authentication,
        expires_at=expires_at,
    )
    return Response(view.model_dump_json(), status, {"Cache-Control": "no-store"}, "application/json")
