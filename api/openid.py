"""Sign-in at an OpenID provider: the authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636)."""

import re
import time
from dataclasses import dataclass
from typing import Any

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from store.callers import DEFAULT_TENANT, Caller
from store.credentials import new_session
from store.settings import Settings

SCOPE = "openid email profile"
# What a provider may sign with; never "none", and no secret that both sides know.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
TIMEOUT_SECONDS = 10.0
LEEWAY_SECONDS = 60
# A provider's addresses hardly change; its keys are read anew for each sign-in.
METADATA_SECONDS = 3600.0
TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class SignInRefused(Exception):
    """The provider's answer is not valid, or the person may not use this service."""


class ProviderUnreachable(Exception):
    """The provider does not answer as one."""


@dataclass(frozen=True)
class Attempt:
    """What a browser keeps between leaving for the provider and coming back."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> "Attempt":
        """An attempt of its own random values."""
        return cls(new_session(), new_session(), new_session())

    @classmethod
    def of(cls, text: str) -> "Attempt | None":
        """The attempt of a cookie's text; None where it is none."""
        parts = text.split(".")
        return cls(*parts) if len(parts) == 3 and all(parts) else None

    def __str__(self) -> str:
        return f"{self.state}.{self.nonce}.{self.verifier}"


class OpenIdProvider:
    """The provider that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._issuer = (settings.oidc_issuer or "").rstrip("/")
        self._metadata: dict[str, Any] = {}
        self._read_at = 0.0

    def address(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where to send the browser. Raises ProviderUnreachable."""
        with self._client(redirect_uri) as client:
            url, _ = client.create_authorization_url(
                self._known()["authorization_endpoint"],
                state=attempt.state,
                code_verifier=attempt.verifier,
                nonce=attempt.nonce,
            )
        return str(url)

    def caller(self, code: str, attempt: Attempt, redirect_uri: str) -> Caller:
        """Who comes back with this code. Raises SignInRefused, ProviderUnreachable."""
        known = self._known()
        try:
            with self._client(redirect_uri) as client:
                tokens = client.fetch_token(known["token_endpoint"], code=code, code_verifier=attempt.verifier)
            claims = self._claims(str(tokens["id_token"]), _get(known["jwks_uri"]), attempt.nonce)
        except (AuthlibBaseError, JoseError, KeyError, ValueError) as error:
            raise SignInRefused(f"the provider's answer is not valid: {type(error).__name__}") from error
        except httpx.HTTPError as error:
            raise ProviderUnreachable(type(error).__name__) from error
        return self._person(claims)

    def _client(self, redirect_uri: str) -> OAuth2Client:
        secret = self._settings.oidc_client_secret
        return OAuth2Client(
            client_id=self._settings.oidc_client_id,
            client_secret=secret.get_secret_value() if secret else None,
            scope=SCOPE,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            timeout=TIMEOUT_SECONDS,
        )

    def _known(self) -> dict[str, Any]:
        """The provider's own description (OpenID Connect Discovery 1.0)."""
        if time.monotonic() - self._read_at > METADATA_SECONDS or not self._metadata:
            found = _get(f"{self._issuer}/.well-known/openid-configuration")
            if str(found.get("issuer", "")).rstrip("/") != self._issuer:
                raise ProviderUnreachable(f"it calls itself {found.get('issuer')!r}, not {self._issuer!r}")
            self._metadata, self._read_at = found, time.monotonic()
        return self._metadata

    def _claims(self, id_token: str, keys: dict[str, Any], nonce: str) -> dict[str, Any]:
        token = jwt.decode(id_token, KeySet.import_key_set(keys), algorithms=ALGORITHMS)  # type: ignore[arg-type]
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._known()["issuer"]},
            aud={"essential": True, "value": self._settings.oidc_client_id or ""},
            exp={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        registry.validate(token.claims)
        return token.claims

    def _person(self, claims: dict[str, Any]) -> Caller:
        """The caller for a person; raises SignInRefused where the settings do not admit it."""
        email = str(claims.get("email", "")).lower() if claims.get("email_verified") is True else ""
        if not _is_among(email, self._settings.oidc_users) and "*" not in self._settings.oidc_users:
            raise SignInRefused(f"{email or claims['sub']!r} is not among those who may sign in (RETORT_OIDC_USERS)")
        claim = self._settings.oidc_tenant_claim
        tenant = DEFAULT_TENANT if claim is None else str(claims.get(claim, ""))
        if not TENANT.fullmatch(tenant):
            raise SignInRefused(f"the claim {claim!r} names no tenant")
        is_admin = _is_among(email, self._settings.oidc_admins)
        return Caller(tenant, email or str(claims["sub"]), "admin" if is_admin else "submit")


def _is_among(email: str, admitted: tuple[str, ...]) -> bool:
    """Whether an address, or its domain, is listed. Only addresses that the provider has verified come here."""
    domain = f"@{email.rpartition('@')[2]}"
    return bool(email) and any(one.lower() in (email, domain) for one in admitted)


def _get(url: str) -> dict[str, Any]:
    try:
        answer = httpx.get(url, timeout=TIMEOUT_SECONDS).raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise ProviderUnreachable(f"{type(error).__name__} at {url}") from error
    if not isinstance(answer, dict):
        raise ProviderUnreachable(f"no JSON object at {url}")
    return answer
