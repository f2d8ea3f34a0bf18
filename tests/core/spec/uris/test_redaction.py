"""Secrets in URIs are not shown."""

import pytest

from core.spec.uris.redaction import redacted


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:key@host/a.zip?X-Sig=abc&v=1#part", "https://host/a.zip?X-Sig=...&v=..."),
        ("s3://shelf/photos.zip", "s3://shelf/photos.zip"),
        ("file:///data/x.zip", "file:///data/x.zip"),
        ("file:///data/set#2?.zip", "file:///data/set#2?.zip"),
        ("builtin:digits", "builtin:digits"),
    ],
)
def test_secrets_are_stripped(uri: str, shown: str) -> None:
    assert redacted(uri) == shown
