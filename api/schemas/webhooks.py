"""Webhooks as JSON: endpoints, and the messages for them."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from store.webhook_values import ENDINGS, DeliveryState, EventType

MOST_URL = 2000
# Services that are told by webhooks put a token into the path, of 24 characters or more.
MOST_SHOWN = 15


def shown(url: str) -> str:
    """An endpoint's address without the tokens that its path and query may hold."""
    address, question, query = url.partition("?")
    scheme, slashes, rest = address.partition("://")
    host, *parts = rest.split("/")
    path = "/".join([host, *("..." if len(part) > MOST_SHOWN else part for part in parts)])
    values = "&".join(f"{pair.partition('=')[0]}=..." for pair in query.split("&") if "=" in pair)
    return f"{scheme}{slashes}{path}{question}{values or ('...' if query else '')}"


ShownUrl = Annotated[str, AfterValidator(shown)]


class NewWebhook(BaseModel):
    """An endpoint to be told of jobs."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = Field(max_length=MOST_URL, description="https; http where the operator allows private addresses")
    events: list[EventType] = Field(
        list(ENDINGS), min_length=1, max_length=64, description="the states that it wants to hear of"
    )
    description: str = Field("", max_length=500, description="for people")


class WebhookChange(BaseModel):
    """A change of an endpoint; a field that is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str | None = Field(None, max_length=MOST_URL)
    events: list[EventType] | None = Field(None, min_length=1, max_length=64)
    description: str | None = Field(None, max_length=500)
    enabled: bool | None = Field(None, description="false: nothing is recorded for it; true: from now on again")


class WebhookView(BaseModel):
    """An endpoint that is told of jobs."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    url: ShownUrl = Field(
        description="`...` stands for what may be a secret: the values of its query, and the long parts of its path"
    )
    events: list[EventType]
    description: str
    enabled: bool
    disabled_reason: str | None = Field(None, description="why the service disabled it")
    failing_since: datetime | None = Field(None, description="it has taken no message since")
    created_at: datetime


class WebhookWithSecret(WebhookView):
    """An endpoint with its secret, which is shown this once."""

    secret: str = Field(description="whsec_...: verifies signatures, by any library of Standard Webhooks")


class WebhookList(BaseModel):
    """Endpoints, the oldest first."""

    data: list[WebhookView]


class DeliveryView(BaseModel):
    """One message for an endpoint."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    message_id: str = Field(description="the header webhook-id: the same in each try")
    job_id: str
    seq: int = Field(description="of the job's event; the messages of a job come in this order")
    type: EventType
    state: DeliveryState = Field(description="dead: it is not tried any more")
    tries: int
    next_at: datetime | None = Field(None, description="when it is tried next")
    status: int | None = Field(None, description="HTTP status of the last answer")
    error: str | None = Field(None, description="why the last try failed")
    created_at: datetime
    ended_at: datetime | None = None


class DeliveryPage(BaseModel):
    """Messages, the newest first."""

    data: list[DeliveryView]
    has_more: bool
    next_cursor: int | None = Field(None, description="goes into `after` for the next page")


class ReplayView(BaseModel):
    """What is sent again."""

    replayed: int = Field(description="how many messages")
