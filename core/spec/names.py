"""Names of things outside a spec: URIs by scheme, files by path, architectures by library."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from core.errors import unknown
from core.spec.projected import split_projected
from core.spec.two_heads import split_two_heads
from core.spec.uris.credentials import SECRET_URI, check_no_credentials, secret_name

DATASET_SCHEMES = ("builtin", "file", "http", "https", "s3", "gs", "hf", "dataset", "secret")
WEIGHTS_SCHEMES = ("file", "http", "https", "s3", "gs", "hf", "job", "secret")
BUILTIN_DATASETS = ("digits",)
ZOO_PREFIXES = ("cifar", "torchvision", "timm", "tensorflow")
HOW_ARCHITECTURES_ARE_WRITTEN = "cifar/<name>, torchvision/<name>, timm/<name> or tensorflow/<name>"


def uri_of(allowed: tuple[str, ...]) -> AfterValidator:
    """A string that is a URI with one of the schemes."""

    def check(value: str) -> str:
        scheme, colon, name = value.partition(":")
        if not colon:
            listed = ", ".join(f"{name}:" for name in allowed)
            path = value if value.startswith("/") else f"/path/to/{value}"
            hint = f" A file on the engine's machine is written file://{path}." if "file" in allowed else ""
            raise ValueError(f"{value!r} has no scheme; allowed: {listed}.{hint}")
        if scheme not in allowed:
            raise ValueError(unknown("scheme", f"{scheme[:40]}:", [f"{s}:" for s in allowed]))
        if scheme == "secret" and secret_name(value) is None:
            raise ValueError("a secret is named as secret://name, of a to z, 0 to 9, - and _, 63 characters at most")
        if scheme == "builtin" and name.strip("/") not in BUILTIN_DATASETS:
            raise ValueError(unknown("built-in dataset", value, [f"builtin:{one}" for one in BUILTIN_DATASETS]))
        return check_no_credentials(value)

    return AfterValidator(check)


CREDENTIALS = (
    "secret://name: a stored secret that opens the URIs beside it. For http(s): `user:password`, or the value of the "
    "Authorization header; for s3: `key:secret`, or JSON with key, secret and token; for gs: a service account's JSON; "
    "for hf: an access token"
)
Credentials = Annotated[str, StringConstraints(pattern=SECRET_URI)]


def _architecture(value: str) -> str:
    prefix, slash, name = value.partition("/")
    if not slash or not name or prefix not in ZOO_PREFIXES:
        raise ValueError(f"{value!r} is no architecture; write {HOW_ARCHITECTURES_ARE_WRITTEN}")
    split_projected(split_two_heads(value)[0])
    return value


Architecture = Annotated[str, AfterValidator(_architecture)]
