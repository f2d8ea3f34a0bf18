"""Examples of the OpenAPI document: uploaded datasets."""

from typing import Any

DATASET: dict[str, Any] = {
    "id": "ds_01KAK3P0V6T6Y1F5S9W1QKX0ZD",
    "uri": "dataset:ds_01KAK3P0V6T6Y1F5S9W1QKX0ZD",
    "name": "waste",
    "filename": "waste.tar",
    "state": "ready",
    "size_bytes": 23592960,
    "received_bytes": 23592960,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "created_at": "2026-11-30T12:00:00Z",
    "updated_at": "2026-11-30T12:00:31Z",
    "completed_at": "2026-11-30T12:00:31Z",
}
DATASET_PAGE = {"data": [DATASET], "has_more": True, "next_cursor": DATASET["id"]}
