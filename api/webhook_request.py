"""One message to one endpoint: signed by Standard Webhooks, to a checked address, without redirects.

Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import http.client
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import SplitResult, urlsplit

from standardwebhooks import Webhook

from api.webhook_url import host_and_port
from core.spec.uris.addresses import connect
from core.spec.uris.deadline import Deadline
from core.spec.uris.limits import Limits
from core.spec.uris.reason import Unreachable
from core.spec.uris.web import reason
from store.errors import SecretsUnusable
from store.sealing import Sealer
from store.webhook_values import Due, Outcome


def send(due: Due, get_sealer: Callable[[], Sealer], limits: Limits) -> Outcome:
    """Try once. Nothing of the answer is kept but its status: an endpoint might be an internal server, whose words are
    nobody's business."""
    try:
        with Deadline(limits.total_seconds) as deadline:
            return _send(due, headers_of(due, opened(due, get_sealer())), limits, deadline)
    except SecretsUnusable as error:
        return Outcome(error=f"not sent: {error.message}")
    except (Unreachable, ValueError) as error:
        return Outcome(error=str(error))
    except (http.client.HTTPException, OSError) as error:
        return Outcome(error=f"no answer ({reason(error)})")


def opened(due: Due, sealer: Sealer) -> list[str]:
    """The secrets that sign a message; raises SecretsUnusable where one was sealed with another key."""
    return [sealer.open(sealed, tenant=due.tenant, name=due.webhook_id) for sealed in due.sealed_secrets]


def headers_of(due: Due, secrets: Sequence[str]) -> dict[str, str]:
    """The headers of a try; after a rotation of the secret both secrets sign."""
    now = datetime.now(UTC)
    signatures = [Webhook(secret).sign(due.message_id, now, due.body) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": "retort",
        "webhook-id": due.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _send(due: Due, headers: Mapping[str, str], limits: Limits, deadline: Deadline) -> Outcome:
    parts = urlsplit(due.url)
    host, port = host_and_port(parts)
    limits.check_port(port)
    connection = connect(parts.scheme, host, port, private=limits.private, deadline=deadline)
    try:
        connection.request("POST", target_of(parts), due.body.encode(), headers)
        return _judge(connection.getresponse())
    finally:
        connection.close()


def target_of(parts: SplitResult) -> str:
    """What the request line asks for."""
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _judge(answer: http.client.HTTPResponse) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return Outcome(status)
    said = f"answered {status} {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else f"answered {status}"
    if 300 <= status < 400:
        said += "; redirects are not followed"
    after = answer.getheader("Retry-After", "")
    return Outcome(status, said, float(after) if after.isdecimal() and len(after) < 7 else None)
