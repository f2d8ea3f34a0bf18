"""From the value of a secret to what opens a URI; nothing of it chooses a host, a file or a command."""

import base64
import json

import pytest

from core.data.authorization import GOOGLE_TOKENS, bucket_options, http_authorization, without_user
from core.spec.uris.reason import Unreachable

ACCOUNT = {
    "type": "service_account", "project_id": "p", "private_key_id": "i", "private_key": "k", "client_email": "e",
    "client_id": "c",
}  # fmt: skip


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/x?y=1#z", ("https://a.example/x?y=1#z", None)),
        ("https://anna:p%40ss@a.example:8443/x", ("https://a.example:8443/x", "anna:p@ss")),
        ("https://token@a.example/x", ("https://a.example/x", "token")),
        ("https://a@b@c.example/x", ("https://c.example/x", "a@b")),
        ("https://a.example/@x", ("https://a.example/@x", None)),
    ],
)
def test_the_user_is_taken_out_of_a_url(url: str, expected: tuple[str, str | None]) -> None:
    assert without_user(url) == expected


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        (None, {}),
        ("anna:pass", basic("anna:pass")),
        ("anna:pass with spaces", basic("anna:pass with spaces")),
        ("  anna:pass\n", basic("anna:pass")),
        ("token", basic("token")),
        ("Bearer abc.def", {"Authorization": "Bearer abc.def"}),
        ("Basic YTpi", {"Authorization": "Basic YTpi"}),
        ("ünï:cödé", basic("ünï:cödé")),
    ],
)
def test_the_header_of_a_web_server(secret: str | None, expected: dict[str, str]) -> None:
    assert http_authorization(secret) == expected


@pytest.mark.parametrize("secret", ["Bearer a\r\nHost: b", "a:b\nX: y", "a\0b"])
def test_a_secret_adds_no_header(secret: str) -> None:
    with pytest.raises(Unreachable) as caught:
        http_authorization(secret)
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        ("AK:SK", {"key": "AK", "secret": "SK"}),
        ("AK:SK:T:K", {"key": "AK", "secret": "SK", "token": "T:K"}),
        (json.dumps({"key": "AK", "secret": "SK", "token": "T"}), {"key": "AK", "secret": "SK", "token": "T"}),
        (
            json.dumps(
                {"key": "AK", "secret": "SK", "endpoint_url": "http://169.254.169.254", "client_kwargs": {"a": 1}}
            ),
            {"key": "AK", "secret": "SK"},
        ),
    ],
)
def test_keys_of_s3_and_nothing_else(secret: str, expected: dict[str, str]) -> None:
    assert bucket_options("s3", secret) == expected


def test_google_s_keys_and_google_s_own_address() -> None:
    evil = {**ACCOUNT, "token_uri": "http://127.0.0.1/steal", "universe_domain": "evil.example"}
    assert bucket_options("gs", json.dumps(evil)) == {"token": {**ACCOUNT, "token_uri": GOOGLE_TOKENS}}


@pytest.mark.parametrize(
    ("scheme", "secret"),
    [
        ("s3", "alone"), ("s3", "{"), ("s3", json.dumps({"key": "AK"})), ("s3", json.dumps({"key": 1, "secret": 2})),
        ("gs", "token"), ("gs", "[]"), ("gs", "[" * 100_000),
        ("gs", json.dumps({"type": "external_account", "credential_source": {"file": "/etc/passwd"}})),
        ("gs", json.dumps({"type": "external_account", "credential_source": {"executable": {"command": "id"}}})),
        ("gs", json.dumps({"type": "impersonated_service_account"})),
    ],
)  # fmt: skip
def test_secrets_of_another_form_are_refused_without_quoting_them(scheme: str, secret: str) -> None:
    with pytest.raises(Unreachable) as caught:
        bucket_options(scheme, secret)
    assert secret not in str(caught.value) or len(secret) < 3


def test_a_token_of_hugging_face() -> None:
    assert bucket_options("hf", " hf_abc\n") == {"token": "hf_abc"}
    assert all(bucket_options(scheme, None) == {} for scheme in ("s3", "gs", "hf"))
