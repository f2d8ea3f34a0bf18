"""/v1/sign-in: the ways to sign in to the dashboard."""

from fastapi import APIRouter

from api.access_examples import SIGN_IN
from api.dependencies import SettingsDep
from api.openapi import PUBLIC, problems, success
from api.schemas.access import SignInView

router = APIRouter(tags=["access"])


@router.get("/v1/sign-in", responses={200: success("The ways", SIGN_IN), **problems(*PUBLIC)})
async def list_ways_to_sign_in(settings: SettingsDep) -> SignInView:
    """Say how people sign in here, so that the dashboard can offer it."""
    return SignInView(authentication=settings.authentication, ways=["key", "oidc"] if settings.oidc_issuer else ["key"])
