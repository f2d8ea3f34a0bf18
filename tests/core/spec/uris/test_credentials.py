"""Credentials in a URI are refused before anything is stored, and the refusal does not quote them."""

import pytest

from core.errors import SpecInvalid
from core.spec import parse_job
from core.spec.uris.credentials import credentials_in

VALUE = "canary4711"
HOLDERS = (
    *("https://me:{}@host/a.zip", "https://{}@host/a.zip", "http:me:{}@host/a", "http:/\\me:{}@host", "s3://key:{}@bucket/a"),
    *("https://me:pass/{}@host/a.zip", "https://me:pass?{}@host/a", "https://me:pass#{}@host/a", "https://me:{}/x@[::1]:80/a"),
    *("https://host/a?token={}", "https://host/a?X-Amz-Signature={}", "https://host/a?x-goog-signature={}&b=1"),
    *("https://host/a?v=1&sig={}", "https://host/a?se=2030&SIG={}", "https://host/a#access_token={}"),
    *("https://host/a;jsessionid={}", "https://host/a?a=1;api_key={}", "https://host/a?apiKey={}", "https://host/a?key={}"),
    *("https://host/a?password={}", "https://host/a?pwd={}", "https://host/a?%74oken={}", "https://host/a?%2574oken={}"),
    *("https://host/a?X-Amz-Credential={}", "https://host/a?X-Amz-Security-Token={}", "https://host/a?auth={}"),
    *("https://host/a?AWSAccessKeyId=x&Signature={}", "https://host/a?jwt={}", "https://host/a?sas={}"),
    *("https://host/a?Policy=x&Key-Pair-Id={}", "https://host/a?client_secret={}", "hf://datasets/a/b?token={}"),
    *("https://host/hf_abcdefghijklmnopqrstuv{}/a", "https://host/ghp_abcdefgh{}/a", "https://host/a?x=AKIAABCDEFGHIJKLMNOP{}"),
    *("https://host/eyJhbGciOiJI.eyJzdWIi{}/a", "https://host/a?q=rtk_abcdefgh{}"),
)  # fmt: skip


@pytest.mark.parametrize("holder", HOLDERS)
def test_credentials_are_refused_and_not_quoted(holder: str) -> None:
    uri = holder.format(VALUE)
    for document in ({"dataset": uri}, {"dataset": {"uri": "builtin:digits", "target_uri": uri}}):
        with pytest.raises(SpecInvalid) as caught:
            parse_job({"teacher": "cifar/resnet8", "student": "nano", **document})
        assert "secret" in caught.value.message
        assert VALUE not in str(caught.value.errors)


@pytest.mark.parametrize("part", ["teacher", "student", "more_teachers", "trajectory"])
def test_of_weights_too(part: str) -> None:
    uri = f"https://me:{VALUE}@host/w.safetensors"
    network = {"architecture": "cifar/resnet8", "weights": uri}
    documents = {
        "teacher": {"teacher": network},
        "student": {"student": network},
        "more_teachers": {"more_teachers": [network]},
        "trajectory": {"teacher": {"architecture": "cifar/resnet8", "weights": "file:///a", "trajectory": [uri]}},
    }
    with pytest.raises(SpecInvalid) as caught:
        parse_job({"teacher": "cifar/resnet8", "student": "nano", "dataset": "builtin:digits"} | documents[part])
    assert VALUE not in str(caught.value.errors)


@pytest.mark.parametrize(
    "uri",
    [
        "https://host/photos.zip", "https://host/a.zip?versionId=3&download=1", "https://host/tokens/keys/auth.zip",
        "hf://datasets/me/ants@main/data", "s3://shelf/photos.zip", "gs://shelf/a b.zip", "https://host/a#part",
        "file:///data/me@home/token=3.zip", "builtin:digits", "secret://photos", "https://host/a?monkey=1&page=2",
        "http://127.0.0.1:8080/@me/a.zip", "http://[::1]:8080/a.zip", "http://[::1]/a.zip",
    ],
)  # fmt: skip
def test_other_uris_are_taken(uri: str) -> None:
    assert credentials_in(uri) is None
    assert parse_job({"teacher": "cifar/resnet8", "student": "nano", "dataset": uri}).dataset.uri == uri


@pytest.mark.parametrize(
    "uri", ["secret://", "secret:photos", "secret://A", "secret://a/b", "secret://a?b=1", "secret://" + "a" * 64]
)
def test_a_secret_is_named_plainly(uri: str) -> None:
    with pytest.raises(SpecInvalid):
        parse_job({"teacher": "cifar/resnet8", "student": "nano", "dataset": uri})
