"""The examples of the OpenAPI document about access; a test holds each against its schema."""

from typing import Any

KEY: dict[str, Any] = {
    "id": "key_01KAK3P0V6T6Y1F5S9W1QKX0ZD",
    "tenant": "retail",
    "name": "continuous integration",
    "scope": "submit",
    "limits": {
        "max_queued_jobs": 100,
        "max_running_jobs": None,
        "max_stored_bytes": None,
        "requests_per_minute": 600,
    },
    "created_at": "2026-11-21T09:00:00Z",
    "expires_at": "2027-02-19T09:00:00Z",
    "last_used_at": None,
    "revoked_at": None,
    "previous_until": None,
}
NEW_KEY: dict[str, Any] = {"name": "continuous integration", "scope": "submit", "tenant": "retail"}
KEY_PAGE: dict[str, Any] = {"data": [KEY], "has_more": False, "next_cursor": None}
AUDIT_PAGE: dict[str, Any] = {
    "data": [
        {
            "id": 17,
            "at": "2026-11-21T09:00:03Z",
            "tenant": "retail",
            "actor": "key_01KAK3P0V6T6Y1F5S9W1QKX0ZD (continuous integration)",
            "action": "submit_job",
            "target": "job_01KAK3P0V6T6Y1F5S9W1QKX0ZD",
            "outcome": "done",
            "client": "203.0.113.7",
            "request_id": "5f0c2a9e8d7b4c61",
        }
    ],
    "has_more": False,
    "next_cursor": None,
}
SESSION: dict[str, Any] = {
    "name": "continuous integration",
    "tenant": "retail",
    "scope": "submit",
    "authentication": "keys",
    "expires_at": "2026-11-28T09:00:00Z",
}
SIGN_IN_LINK: dict[str, Any] = {"path": "/#/sign-in/q3V8...", "expires_in_seconds": 86400}
SIGN_IN: dict[str, Any] = {"authentication": "keys", "ways": ["key", "oidc"]}


def with_secret(key: dict[str, Any]) -> dict[str, Any]:
    """The answer that shows a key's text. The example is no valid key: its checksum is wrong."""
    return {**key, "key": f"rtk_{key['id'].removeprefix('key_')}_{'x' * 49}"}
