"""The frozen values of webhooks and of the messages for them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

EventType = Literal[
    "job.queued",
    "job.running",
    "job.pausing",
    "job.paused",
    "job.cancelling",
    "job.succeeded",
    "job.failed",
    "job.cancelled",
]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
ENDINGS: tuple[EventType, ...] = ("job.succeeded", "job.failed", "job.cancelled")
DeliveryState = Literal["pending", "delivered", "dead"]
DELIVERY_STATES: tuple[DeliveryState, ...] = get_args(DeliveryState)


@dataclass(frozen=True)
class Webhook:
    """An endpoint that is told of a tenant's jobs; never with its secret."""

    id: str
    tenant: str
    url: str
    events: tuple[EventType, ...]
    description: str
    enabled: bool
    disabled_reason: str | None  # where the service itself disabled it
    failing_since: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class Delivery:
    """One message for one endpoint: how far it has come."""

    id: int
    message_id: str
    webhook_id: str
    job_id: str
    seq: int  # of the event of the job
    type: EventType
    state: DeliveryState
    tries: int
    next_at: datetime | None  # of a pending one
    status: int | None  # HTTP status of the last answer
    error: str | None  # why the last try failed
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class WebhookFigures:
    """How the messages of webhooks get on: how many in each state, how long the oldest has been due, endpoints."""

    messages: dict[DeliveryState, int]
    oldest_due_seconds: float
    num_enabled: int
    num_disabled: int


@dataclass(frozen=True)
class Due:
    """A message that a sender has taken to send it now, with the sealed secrets that sign it."""

    id: int
    message_id: str
    webhook_id: str
    tenant: str
    url: str
    body: str
    sealed_secrets: tuple[bytes, ...]
    tries: int  # this one included


@dataclass(frozen=True)
class Outcome:
    """What came of one try: `status` where the endpoint answered, `error` where that is no success."""

    status: int | None = None
    error: str | None = None
    retry_after_seconds: float | None = None

    @property
    def delivered(self) -> bool:
        """Whether the endpoint has taken the message."""
        return self.error is None
