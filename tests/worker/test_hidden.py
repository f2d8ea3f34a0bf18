"""What an engine says is recorded without the values of the secrets that it was given."""

import base64
import json
from urllib.parse import quote

import pytest

from worker.hidden import SHOWN, hidden_texts, without

SECRETS = {
    "a token": ("hf_abcdefghijklmnop", ["hf_abcdefghijklmnop"]),
    "user and password": ("anna:correct horse", ["anna:correct horse", "correct horse"]),
    "a header": ("Bearer eyJhbGciOiJI", ["Bearer eyJhbGciOiJI", "eyJhbGciOiJI"]),
    "keys of S3": ("AKIAIOSFODNN:wJalrXUtnFEMI/K7MDENG", ["AKIAIOSFODNN", "wJalrXUtnFEMI/K7MDENG"]),
    "JSON": (
        json.dumps({"key": "AKIAIOSFODNN", "secret": "s\u00e9cr\u00e8t-text"}),
        ["AKIAIOSFODNN", "s\u00e9cr\u00e8t-text"],
    ),
    "a signed URL": (
        "https://shelf.example/a.zip?X-Amz-Signature=0123456789abcdef&user=a%2Fb%2Fc%2Fd",
        ["0123456789abcdef", "a%2Fb%2Fc%2Fd", "a/b/c/d"],
    ),
    "a URL with a password": ("https://anna:p4ssw0rd%21@shelf.example/a.zip", ["p4ssw0rd%21"]),
    "a key of several lines": ("-----BEGIN KEY-----\nMIIEvQIBADANBg\n", ["MIIEvQIBADANBg"]),
}


@pytest.mark.parametrize(("value", "told"), SECRETS.values(), ids=SECRETS)
def test_no_part_of_a_secret_is_shown_in_any_spelling(value: str, told: list[str]) -> None:
    hidden = hidden_texts([value])
    for text in told:
        for spelling in (
            text,
            json.dumps(text)[1:-1],
            json.dumps(text, ensure_ascii=False)[1:-1],
            quote(text),
            quote(text, safe=""),
        ):
            line = without(f"before {spelling} behind".encode(), hidden)
            assert line == b"before " + SHOWN + b" behind", spelling


def test_what_http_makes_of_a_user_and_password_is_hidden() -> None:
    sent = base64.b64encode(b"anna:correct horse").decode()
    assert sent.encode() not in without(f"Authorization: Basic {sent}".encode(), hidden_texts(["anna:correct horse"]))


def test_short_words_are_left_as_they_are() -> None:
    hidden = hidden_texts(["admin:correct horse"])
    assert without(b"the admin of a horse", hidden) == b"the admin of a horse"


def test_the_longest_is_replaced_first() -> None:
    hidden = hidden_texts(["secret-one", "secret-one-more"])
    assert without(b"secret-one-more", hidden) == SHOWN


def test_without_secrets_nothing_is_replaced() -> None:
    assert hidden_texts([]) == ()
    assert without(b"line", ()) == b"line"
