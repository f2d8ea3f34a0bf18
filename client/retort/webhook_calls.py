"""What a service can be asked about webhooks: who is told of jobs, and what became of each message."""

from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import quote

from retort.connection import Connection
from retort.webhook_models import DeliveryView, WebhookView, WebhookWithSecretView


class WebhookCalls:
    """The part of a service that has to do with webhooks. `AsyncRetort` and `Retort` offer these methods."""

    _connection: Connection

    async def webhooks(self) -> list[WebhookView]:
        """The webhooks, the oldest first."""
        return cast(list[WebhookView], (await self._connection.json("GET", "/v1/webhooks"))["data"])

    async def create_webhook(
        self, url: str, *, events: Sequence[str] = (), description: str = ""
    ) -> WebhookWithSecretView:
        """Be told of jobs at an address; by default of their ends. The `secret` is shown this once."""
        body: dict[str, Any] = {"url": url, "description": description} | ({"events": list(events)} if events else {})
        return cast(WebhookWithSecretView, await self._connection.json("POST", "/v1/webhooks", json=body))

    async def change_webhook(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] = (),
        description: str | None = None,
        enabled: bool | None = None,
    ) -> WebhookView:
        """Change what is given of a webhook."""
        given = {"url": url, "events": list(events) or None, "description": description, "enabled": enabled}
        body = {name: value for name, value in given.items() if value is not None}
        changed = await self._connection.json("PATCH", _path(webhook_id), json=body, repeatable=True)
        return cast(WebhookView, changed)

    async def rotate_webhook(self, webhook_id: str) -> WebhookWithSecretView:
        """Give a webhook another secret, shown this once; for a day the one before signs along."""
        return cast(WebhookWithSecretView, await self._connection.json("POST", f"{_path(webhook_id)}/rotate"))

    async def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook with all its messages."""
        await self._connection.send("DELETE", _path(webhook_id))

    async def deliveries(self, webhook_id: str, *, state: str | None = None, limit: int = 100) -> list[DeliveryView]:
        """The newest messages for a webhook, at most 1,000; only those that are pending, delivered or dead."""
        params: dict[str, Any] = {"limit": limit} | ({"state": state} if state else {})
        page = await self._connection.json("GET", f"{_path(webhook_id)}/deliveries", params=params)
        return cast(list[DeliveryView], page["data"])

    async def replay_webhook(self, webhook_id: str, delivery_id: int | None = None) -> int:
        """Send one message of a webhook again, or all dead ones; how many."""
        if delivery_id is not None:
            await self._connection.json("POST", f"{_path(webhook_id)}/deliveries/{delivery_id}/replay")
            return 1
        return cast(int, (await self._connection.json("POST", f"{_path(webhook_id)}/replay"))["replayed"])


def _path(webhook_id: str) -> str:
    return f"/v1/webhooks/{quote(webhook_id, safe='')}"
