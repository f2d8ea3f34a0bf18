"""The service's JSON objects of webhooks as typed dictionaries, as retort.models has the others."""

from typing import Literal, TypedDict


class WebhookView(TypedDict):
    """An endpoint that is told of jobs."""

    id: str
    url: str
    events: list[str]
    description: str
    enabled: bool
    disabled_reason: str | None
    failing_since: str | None
    created_at: str


class WebhookWithSecretView(WebhookView):
    """An endpoint with its secret, which is shown once."""

    secret: str


class DeliveryView(TypedDict):
    """One message for an endpoint; `seq` is that of the job's event."""

    id: int
    message_id: str
    job_id: str
    seq: int
    type: str
    state: Literal["pending", "delivered", "dead"]
    tries: int
    next_at: str | None
    status: int | None
    error: str | None
    created_at: str
    ended_at: str | None
