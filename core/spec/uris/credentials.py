"""Credentials inside a URI, which no spec may hold: a spec is stored, listed, logged and published in the report."""

import re
from urllib.parse import unquote

SECRET_SCHEME = "secret"
SECRET_NAME = r"[a-z0-9][a-z0-9_-]{0,62}"
SECRET_URI = rf"^secret://{SECRET_NAME}$"
_NAME_OF_PARAMETER = re.compile(
    r"token|secret|passw|passphrase|signature|credential|api[-_.]?key|access[-_.]?key|key[-_.]?pair|accessid|session"
    r"|auth|jwt|bearer|hmac|saml|^(sig|sign|signed|key|pwd|pass|pw|pin|sas|policy|hdnea|hdnts|hdntl|user|login)$",
    re.IGNORECASE,
)
# Keys that carry the name of whoever gave them out, so that scanners find them: GitHub, GitLab, Hugging Face, AWS,
# Slack, Google, Stripe and OpenAI, our own; and JSON Web Tokens.
_KNOWN_KEY = re.compile(
    r"gh[opsur]_\w{8}|github_pat_\w{8}|glpat-\w{8}|hf_[A-Za-z0-9]{16}|(?<![A-Za-z0-9])A[KS]IA[A-Z0-9]{12}"
    r"|xox[abeoprs]-|AIza[\w-]{20}|(?<![A-Za-z0-9])sk[-_]\w{12}|rtk_\w{8}|eyJ[\w-]{8,}\.[\w-]+"
)
ADVICE = "store it with `retort secrets set NAME` or PUT /v1/secrets/NAME, and name secret://NAME instead"


def credentials_in(uri: str) -> str | None:
    """What kind of credentials a URI holds, without their value; None for a URI without any.

    Paths of file: URIs are names of files, and hold none.
    """
    scheme, _, rest = uri.partition(":")
    if scheme.lower() in ("file", "builtin", "dataset", "job", SECRET_SCHEME):
        return None
    authority = re.split(r"[/?#]", rest.lstrip("/"), maxsplit=1)[0]
    port = authority.rpartition("]")[2].partition(":")[2]
    # A password may hold a slash or another end of the host; then what stands behind the first colon is no port.
    if "@" in authority or (port and not port.isdecimal()):
        return "a user or password before the host"
    for name in _parameters(rest):
        if _NAME_OF_PARAMETER.search(name):
            return f"the parameter {name[:40]!r}"
    if _KNOWN_KEY.search(unquote(uri)):
        return "an access key or token"
    return None


def check_no_credentials(uri: str) -> str:
    """The URI; raises ValueError, which does not quote it, if it holds credentials."""
    found = credentials_in(uri)
    if found is not None:
        raise ValueError(f"the URI holds {found}, and a spec is stored and shown; {ADVICE}")
    return uri


def secret_name(uri: str | None) -> str | None:
    """The name in `secret://name`; None for any other text."""
    return uri.removeprefix("secret://") if uri is not None and re.fullmatch(SECRET_URI, uri) else None


def _parameters(rest: str) -> list[str]:
    """The names of all parameters: of the query, the fragment, and after a semicolon in the path."""
    _, *pieces = re.split(r"[?#&;]", rest)
    return [unquote(unquote(piece.partition("=")[0])) for piece in pieces]
