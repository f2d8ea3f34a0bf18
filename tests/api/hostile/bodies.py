"""Hostile in the body: forms of JSON, encodings, and values of each resource."""

import gzip
import json
from typing import Any

from tests.api.hostile.request import Hostile, ask, post

REFUSED = (400, 413, 415, 422)
SPEC: dict[str, Any] = {"teacher": "torchvision/resnet50", "dataset": "s3://shelf/photos.zip", "student": "small"}
SPEC_BYTES = json.dumps(SPEC).encode()
MANY = 70_000
JSON = "Content-Type: application/json"
# Each is some text that a careless parser stops at, fills memory with, or takes for something else.
FORMS: dict[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "a number": b"1",
    "a text": b'"text"',
    "two documents": b"{}{}",
    "half": b'{"teacher": ',
    "deep lists": b"[" * 100_000,
    "deep lists, closed": b"[" * 50_000 + b"]" * 50_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "NaN": b'{"teacher": NaN}',
    "Infinity": b'{"teacher": Infinity}',
    "-Infinity": b'{"teacher": -Infinity}',
    "1e999": b'{"training": {"epochs": 1e999}, ' + SPEC_BYTES[1:],
    "5,000 digits": b'{"training": {"epochs": ' + b"9" * 5000 + b"}, " + SPEC_BYTES[1:],
    "a key twice": b'{"name": "a", "name": "b", ' + SPEC_BYTES[1:],
    "a key of many twice": b"{" + b",".join(b'"k%d":1' % number for number in range(MANY)) + b',"k69999":1}',
    "many unknown keys": json.dumps({**SPEC, **{f"k{number}": 1 for number in range(MANY)}}).encode(),
    "half a surrogate pair": b'{"name": "\\ud800", ' + SPEC_BYTES[1:],
    "half a surrogate pair in a key": b'{"\\udfff": 1, ' + SPEC_BYTES[1:],
    "a NUL": b'{"name": "a\\u0000b", ' + SPEC_BYTES[1:],
    "many NULs": b'{"labels": [' + b",".join([b'"\\u0000"'] * 100_000) + b"]}",
    "many NULs, deep": b"[" * 900 + b",".join([b'"\\u0000"'] * 100_000) + b"]" * 900,
    "invalid UTF-8": b'{"name": "\xff\xfe", ' + SPEC_BYTES[1:],
    "overlong UTF-8": b'{"name": "\xc0\xaf", ' + SPEC_BYTES[1:],
    "a raw control character": b'{"name": "a\x01b", ' + SPEC_BYTES[1:],
    "a byte above a megabyte": b" " * (1_048_577 - len(SPEC_BYTES)) + SPEC_BYTES,
    "a name of 900,000 characters": json.dumps({**SPEC, "name": "x" * 900_000}).encode(),
    "a method of 900,000 characters": json.dumps({**SPEC, "method": "x" * 900_000}).encode(),
    "many methods": json.dumps({**SPEC, "method": ["kd"] * 100_000}).encode(),
    "many baselines": json.dumps({**SPEC, "evaluation": {"baselines": ["scratch"] * 50_000}}).encode(),
    "many exports": json.dumps({**SPEC, "exports": ["onnx"] * 50_000}).encode(),
    "many milestones": json.dumps({**SPEC, "training": {"milestones": [0.5] * 50_000}}).encode(),
    "many teachers": json.dumps({**SPEC, "more_teachers": [{"architecture": "x"}] * 30_000}).encode(),
    "many labels": json.dumps({**SPEC, "labels": {f"k{number}": "v" for number in range(50_000)}}).encode(),
    "a label of NULs": json.dumps({**SPEC, "labels": {"a\x00": "b"}}).encode(),
    "__proto__": json.dumps({**SPEC, "__proto__": {"admin": True}}).encode(),
    "a class as a value": json.dumps({**SPEC, "teacher": {"__class__": "os.system"}}).encode(),
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "YAML": b"!!python/object/apply:os.system ['true']",
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.",
}
# A sound document under a head that says something else of it.
HEADS: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "text/plain": (SPEC_BYTES, ("Content-Type: text/plain",)),
    "a form": (b"teacher=x", ("Content-Type: application/x-www-form-urlencoded",)),
    "parts": (b"--a\r\n\r\n{}\r\n--a--", ("Content-Type: multipart/form-data; boundary=a",)),
    "no type": (SPEC_BYTES, ("Content-Type: ",)),
    "two types": (SPEC_BYTES, ("Content-Type: text/html", "Content-Type: application/json")),
    "another type behind a comma": (SPEC_BYTES, ("Content-Type: text/html, application/json",)),
    "almost JSON": (SPEC_BYTES, ("Content-Type: application/jsonp",)),
    "a type of 20 KiB": (SPEC_BYTES, ("Content-Type: application/" + "x" * 20_000,)),
    "gzip": (gzip.compress(SPEC_BYTES), ("Content-Encoding: gzip",)),
    "a gzip bomb": (gzip.compress(bytes(100_000_000)), ("Content-Encoding: gzip",)),
    "gzip twice": (gzip.compress(gzip.compress(SPEC_BYTES)), ("Content-Encoding: gzip, gzip",)),
    "an unknown encoding": (SPEC_BYTES, ("Content-Encoding: evil",)),
    "UTF-8 that says it is UTF-16": (SPEC_BYTES, ("Content-Type: application/json; charset=utf-16",)),
    "UTF-16 that does not say so": (json.dumps(SPEC).encode("utf-16"), ()),
    "UTF-8 with a mark": (b"\xef\xbb\xbf" + SPEC_BYTES, ()),
    "UTF-16 that says so": (json.dumps(SPEC).encode("utf-16"), ("Content-Type: application/json; charset=utf-16",)),
    "UTF-7 that says so": (b"+AHs-+AH0-", ("Content-Type: application/json; charset=utf-7",)),
}
WEBHOOK_URLS = [
    "javascript:alert(1)",
    "file:///etc/passwd",
    "gopher://127.0.0.1:25/",
    "https://user:password@example.com/",
    "https://",
    "https://example.com:99999/",
    "https://example.com/\r\nX:y",
    "https://exam\tple.com/",
    "https://[::1",
    "//example.com",
    "https://ex ample.com/",
    "https://example.com/#" + "a" * 1900,
    "https://" + "a" * 3000,
    "http://\u2488.example/",
]
KEYS: list[dict[str, Any]] = [
    {"name": ""},
    {"name": "x" * 10_000},
    {"name": "a", "tenant": "../../etc"},
    {"name": "a", "tenant": "A B"},
    {"name": "a", "scope": "root"},
    {"name": "a", "scope": ["admin"]},
    {"name": "a", "expires_in_days": -1},
    {"name": "a", "expires_in_days": 1e308},
    {"name": "a", "limits": {"max_queued_jobs": 2**63}},
    {"name": "a", "limits": {"requests_per_minute": 0}},
    {"name": "a", "id": "key_chosen"},
]
SECRETS: list[Any] = [
    {},
    {"value": 1},
    {"value": ""},
    {"value": "x", "more": 1},
    {"value": "x" * 200_000},
    [],
    {"value": None},
]
SESSIONS: list[Any] = [
    {},
    {"key": "x" * 100_000},
    {"key": "a", "code": "b"},
    {"key": 1},
    {"key": None, "code": None},
    {"code": "' OR 1=1--"},
]
NAMES = ["..%2fa", "A", "a" * 64, "%00", "a%20b", "a.b"]
CHANGES: list[Any] = [
    {"priority": 10**30},
    {"priority": "1"},
    {"labels": {"a": 1}},
    {"state": "succeeded"},
    {"id": "job_x"},
    [],
    {"name": "\x00"},
]


def encoded(document: Any) -> bytes:
    """JSON, with escapes as a program would send it."""
    return json.dumps(document).encode()


BODIES: list[Hostile] = [
    *(post(f"body: {name}", body, *REFUSED) for name, body in FORMS.items()),
    *(post(f"key: {name}", body, *REFUSED, path="/v1/keys") for name, body in FORMS.items()),
    *(post(f"type: {name}", body, *REFUSED, fields=fields) for name, (body, fields) in HEADS.items()),
    *(post(f"webhook {url[:40]!r}", encoded({"url": url}), *REFUSED, path="/v1/webhooks") for url in WEBHOOK_URLS),
    post(
        "webhook, many events",
        encoded({"url": "https://a.example", "events": ["job.failed"] * 90_000}),
        *REFUSED,
        path="/v1/webhooks",
    ),
    *(post(f"key {key!r:.40}", encoded(key), *REFUSED, path="/v1/keys") for key in KEYS),
    *(ask(f"secret {one!r:.40}", "PUT", "/v1/secrets/a", JSON, statuses=REFUSED, body=encoded(one)) for one in SECRETS),
    *(
        ask(
            f"secret named {name}", "PUT", f"/v1/secrets/{name}", JSON, statuses=(404, *REFUSED), body=b'{"value": "x"}'
        )
        for name in NAMES
    ),
    *(
        ask(f"change {one!r:.40}", "PATCH", "/v1/jobs/<JOB>", JSON, statuses=(409, *REFUSED), body=encoded(one))
        for one in CHANGES
    ),
    *(post(f"session {one!r:.40}", encoded(one), *REFUSED, 401, path="/v1/session") for one in SESSIONS),
    post("an overlap", encoded({"overlap_seconds": -1}), 404, *REFUSED, path="/v1/keys/key_x/rotate"),
]
