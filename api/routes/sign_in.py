"""/v1/sign-in: the ways to sign in to the dashboard, and the way over an OpenID provider."""

import hmac
import logging

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from api.access_examples import SIGN_IN
from api.cookies import is_secure, set_session
from api.dependencies import DatabaseDep, DenialsDep, OpenIdProviderDep, SettingsDep, entry_of
from api.errors import Problem, unavailable
from api.openapi import PUBLIC, Responses, problems, success
from api.openid import Attempt, OpenIdProvider, ProviderUnreachable, SignInRefused
from api.schemas.access import SignInView
from store import audit, sessions
from store.callers import Caller
from store.settings import Settings

log = logging.getLogger("retort.api")
router = APIRouter(tags=["access"])
COOKIE = "retort_sign_in"
PATH = "/v1/sign-in/oidc"
ATTEMPT_SECONDS = 600
DASHBOARD = "/#/jobs"
REFUSED = "/#/refused"
_ELSEWHERE: Responses = {303: {"description": "To the provider, or back to the dashboard"}}


@router.get("/v1/sign-in", responses={200: success("The ways", SIGN_IN), **problems(*PUBLIC)})
async def list_ways_to_sign_in(settings: SettingsDep) -> SignInView:
    """Say how people sign in here, so that the dashboard can offer it."""
    return SignInView(authentication=settings.authentication, ways=["key", "oidc"] if settings.oidc_issuer else ["key"])


@router.get(
    PATH,
    status_code=303,
    response_class=Response,
    responses={**_ELSEWHERE, **problems(*PUBLIC, "OIDC_UNAVAILABLE", "OIDC_UNREACHABLE")},
)
def leave_for_provider(request: Request, settings: SettingsDep, provider: OpenIdProviderDep) -> Response:
    """Send a browser to the OpenID provider."""
    _require(settings)
    attempt = Attempt.new()
    try:
        address = provider.address(attempt, _redirect_uri(request, settings))
    except ProviderUnreachable as error:
        raise unavailable("OIDC_UNREACHABLE", f"the OpenID provider does not answer: {error}") from None
    response = RedirectResponse(address, 303, {"Cache-Control": "no-store"})
    # Lax: the browser comes back from the provider, which is another site.
    secure = is_secure(request, settings)
    response.set_cookie(
        COOKIE, str(attempt), max_age=ATTEMPT_SECONDS, path=PATH, httponly=True, samesite="lax", secure=secure
    )
    return response


@router.get(
    f"{PATH}/callback",
    status_code=303,
    response_class=Response,
    responses={**_ELSEWHERE, **problems(*PUBLIC, "OIDC_UNAVAILABLE", "OIDC_UNREACHABLE")},
)
def return_from_provider(
    request: Request,
    database: DatabaseDep,
    settings: SettingsDep,
    denials: DenialsDep,
    provider: OpenIdProviderDep,
    code: str = "",
    state: str = "",
) -> Response:
    """Take a browser back from the OpenID provider, and sign it in where the provider's answer is valid."""
    _require(settings)
    try:
        caller = _identify(request, settings, provider, code, state)
    except ProviderUnreachable as error:
        raise unavailable("OIDC_UNREACHABLE", f"the OpenID provider does not answer: {error}") from None
    except SignInRefused as error:
        log.warning("a sign-in was refused: %s", error)
        denials.record(request.scope, "SIGN_IN_FAILED")
        return _to_dashboard(REFUSED)
    with database.begin_unattributed() as session:
        secret = sessions.issue(session, "session", caller, settings.session_seconds)
        audit.record(session, entry_of(request, caller))
    response = _to_dashboard(DASHBOARD)
    set_session(response, request, settings, secret)
    return response


def _identify(request: Request, settings: Settings, provider: OpenIdProvider, code: str, state: str) -> Caller:
    """Who came back, in the browser that left; raises SignInRefused for any other."""
    attempt = Attempt.of(request.cookies.get(COOKIE, ""))
    if attempt is None or not hmac.compare_digest(attempt.state.encode(), state.encode()):
        raise SignInRefused("the browser that comes back is not the one that left, or it took too long")
    if not code:
        raise SignInRefused("the provider refused")
    return provider.caller(code, attempt, _redirect_uri(request, settings))


def _to_dashboard(place: str) -> Response:
    response = RedirectResponse(place, 303, {"Cache-Control": "no-store"})
    response.delete_cookie(COOKIE, path=PATH)
    return response


def _require(settings: Settings) -> None:
    if settings.oidc_issuer is None:
        raise Problem(404, "OIDC_UNAVAILABLE", "no OpenID provider is set up here (RETORT_OIDC_ISSUER)")


def _redirect_uri(request: Request, settings: Settings) -> str:
    return f"{(settings.public_url or str(request.base_url)).rstrip('/')}{PATH}/callback"
