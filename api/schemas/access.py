"""API keys, sessions and the audit log as JSON."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from store.callers import DEFAULT_TENANT, Limits, Scope
from store.keys import Key

MAX_DAYS = 3650


def _check_number(value: Any) -> Any:
    """Of JSON, `true` and "1" are no numbers; 4.0 is the whole number 4."""
    if isinstance(value, bool | str):
        raise ValueError("Input should be a number")
    return value


# The bounds come first, so that the JSON Schema has them.
Count = Annotated[int, Field(ge=0, le=2**31 - 1), BeforeValidator(_check_number)]
Share = Annotated[int, Field(ge=1, le=2**31 - 1), BeforeValidator(_check_number)]
Bytes = Annotated[int, Field(ge=0, le=2**63 - 1), BeforeValidator(_check_number)]


class LimitsView(BaseModel):
    """The share of a key; null: no limit beside the tenant's."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    max_queued_jobs: Count | None = Field(None, description="jobs that wait at once")
    max_running_jobs: Share | None = Field(None, description="jobs that run at once")
    max_stored_bytes: Bytes | None = Field(None, description="artifacts and checkpoints of its jobs")
    requests_per_minute: Share | None = Field(None, description="counted by each API process")

    def value(self) -> Limits:
        """As the store takes it."""
        return Limits(**self.model_dump())


class NewKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1, max_length=200, description="for people: whose it is, or what for")
    scope: Scope = Field("submit", description="each allows what those before it allow: read, submit, admin")
    tenant: str = Field(
        DEFAULT_TENANT, pattern="^[a-z0-9][a-z0-9-]{0,62}$", description="whose jobs it sees and submits"
    )
    expires_in_days: float | None = Field(None, gt=0, le=MAX_DAYS, description="null: it does not expire")
    limits: LimitsView = Field(default_factory=LimitsView)


class Rotation(BaseModel):
    """How to change a key's secret."""

    model_config = ConfigDict(extra="forbid", strict=True)

    overlap_seconds: float = Field(
        86400.0, ge=0, le=MAX_DAYS * 86400, description="for so long the secret before is accepted too"
    )


class KeyView(BaseModel):
    """An API key without its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    tenant: str
    name: str
    scope: Scope
    limits: LimitsView
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = Field(None, description="exact to a minute")
    revoked_at: datetime | None = None
    previous_until: datetime | None = Field(
        None, description="until then the secret before the last rotation is accepted"
    )


class KeyWithSecretView(KeyView):
    """A key with its text, which is shown once."""

    key: str = Field(description="rtk_...; send it as Authorization: Bearer rtk_...")

    @classmethod
    def of(cls, key: Key, text: str) -> Self:
        """The view of a key that was just made or rotated."""
        return cls(**KeyView.model_validate(key).model_dump(), key=text)


class KeyPage(BaseModel):
    """Keys, the newest first."""

    data: list[KeyView]
    has_more: bool
    next_cursor: str | None = None


class AuditEntryView(BaseModel):
    """Something that a caller did, or was denied."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    tenant: str = Field(description="of the caller; empty where it is unknown")
    actor: str = Field(description="the key, with its name, or the person")
    action: str = Field(description="the operation, such as submit_job; or why it was denied")
    target: str = Field(description="what it concerns, such as the id of a job")
    outcome: Literal["done", "denied"]
    client: str = Field(description="address of the other end of the connection")
    request_id: str


class AuditPage(BaseModel):
    """Entries of the audit log, the newest first."""

    data: list[AuditEntryView]
    has_more: bool
    next_cursor: int | None = Field(None, description="goes into `before` for the next page")


class Credentials(BaseModel):
    """What a browser signs in with: one of the two."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "oneOf": [
                {"required": [one], "properties": {one: {"type": "string"}, other: {"type": "null"}}}
                for one, other in (("key", "code"), ("code", "key"))
            ]
        },
    )

    key: str | None = Field(None, max_length=200, description="an API key")
    code: str | None = Field(None, max_length=200, description="of a sign-in link; valid once")


class SessionView(BaseModel):
    """Who is signed in."""

    name: str
    tenant: str
    scope: Scope
    authentication: Literal["keys", "open"] = Field(description="open: nobody needs to sign in here")
    expires_at: datetime | None = Field(None, description="of the browser's session; null where an API key was sent")


class SignInLinkView(BaseModel):
    """A link that signs a browser in once."""

    path: str = Field(description="put it behind the address of the service")
    expires_in_seconds: int


class SignInView(BaseModel):
    """The ways to sign in to the dashboard."""

    authentication: Literal["keys", "open"]
    ways: list[Literal["key", "oidc"]]
