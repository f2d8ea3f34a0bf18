"""From the value of a secret to what opens a URI: a header for http(s), options of fsspec for s3:, gs: and hf:.

A secret is written by the owner of a job, so nothing of it may choose a host: only keys are taken from it, never an
address, a file or a command.
"""

import base64
import json
from typing import Any
from urllib.parse import unquote, urlsplit

from core.spec.uris.reason import Unreachable

GOOGLE_TOKENS = "https://oauth2.googleapis.com/token"
_OF_SERVICE_ACCOUNT = ("type", "project_id", "private_key_id", "private_key", "client_email", "client_id")
_OF_USER = ("type", "client_id", "client_secret", "refresh_token", "quota_project_id")


def without_user(url: str) -> tuple[str, str | None]:
    """An http(s) URL without what stands before its host, and that `user:password`, unescaped."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return (parts._replace(netloc=host).geturl(), unquote(user)) if at else (url, None)


def http_authorization(secret: str | None) -> dict[str, str]:
    """The Authorization header: `user:password` as Basic, any other text as it is. Raises Unreachable."""
    if secret is None:
        return {}
    secret = secret.strip()
    if not secret.isprintable():
        raise Unreachable("the secret that opens it is no line of text")
    scheme, space, _ = secret.partition(" ")
    if ":" in scheme or not space:
        return {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}
    return {"Authorization": secret}


def bucket_options(scheme: str, secret: str | None) -> dict[str, Any]:
    """fsspec's options for the file systems s3, gs and hf. Raises Unreachable for a secret of another form."""
    if secret is None:
        return {}
    secret = secret.strip()
    if scheme == "hf":
        return {"token": secret}
    return _s3_options(secret) if scheme == "s3" else {"token": _google_key(secret)}


def _s3_options(secret: str) -> dict[str, Any]:
    if secret.startswith("{"):
        given = _json_object(secret)
    else:
        given = dict(zip(("key", "secret", "token"), secret.split(":", 2), strict=False))
    options = {name: given[name] for name in ("key", "secret", "token") if isinstance(given.get(name), str)}
    if not {"key", "secret"} <= set(options):
        raise Unreachable("the secret that opens it must be key:secret, or JSON with key, secret and, if any, token")
    return options


def _google_key(secret: str) -> dict[str, Any]:
    """A service account's or a user's key. Others name an address, a file or a command from which keys are read."""
    given = _json_object(secret)
    fields = {"service_account": _OF_SERVICE_ACCOUNT, "authorized_user": _OF_USER}.get(str(given.get("type")))
    if fields is None:
        raise Unreachable("the secret that opens it must be the JSON of a service_account or an authorized_user")
    return {name: given[name] for name in fields if isinstance(given.get(name), str)} | {"token_uri": GOOGLE_TOKENS}


def _json_object(secret: str) -> dict[str, Any]:
    try:
        given = json.loads(secret)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise Unreachable("the secret that opens it is no JSON object")
    return given
