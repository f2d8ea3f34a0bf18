"""Reading a request's JSON body: bounded in bytes and in time, and strict about what it holds."""

import asyncio
import hashlib
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import ClientDisconnect

from api.dependencies import SettingsDep
from api.errors import MOST_ERRORS, Problem
from core.errors import SpecInvalid

# A client that sends a byte now and then would otherwise hold a connection for ever.
MAX_SECONDS = 20.0
_JSON = re.compile(r"application/(json|[\w.+-]+\+json)\s*(;|$)", re.IGNORECASE)
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s\";]*)", re.IGNORECASE)
Model = TypeVar("Model", bound=BaseModel)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


async def read_body(request: Request, settings: SettingsDep) -> bytes:
    """The whole body; raises Problem 415, 413 or 408. Never trusts Content-Length for more than an early no."""
    content_type = request.headers.get("content-type", "")
    if not _JSON.match(content_type):
        given = f"not {content_type!r}" if content_type else "and none was given"
        raise Problem(415, "CONTENT_TYPE_UNSUPPORTED", f"the Content-Type must be application/json, {given}")
    charset = _CHARSET.search(content_type)
    if charset is not None and charset[1].lower() not in ("utf-8", "us-ascii"):
        raise Problem(415, "CONTENT_TYPE_UNSUPPORTED", f"JSON is UTF-8; the Content-Type says {charset[1]!r}")
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() not in ("", "identity"):
        detail = f"Content-Encoding {encoding!r} is not taken; allowed: identity, or no such header"
        raise Problem(415, "CONTENT_ENCODING_UNSUPPORTED", detail, headers={"Accept-Encoding": "identity"})
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > settings.max_body_bytes:
        raise _too_large(settings.max_body_bytes)
    try:
        async with asyncio.timeout(MAX_SECONDS):
            return await _read(request, settings.max_body_bytes)
    except ClientDisconnect:
        raise Problem(400, "BODY_INCOMPLETE", "the connection ended before the body") from None
    except TimeoutError:
        detail = f"the body did not arrive within {MAX_SECONDS:.0f} seconds"
        raise Problem(408, "BODY_TIMEOUT", detail, headers={"Connection": "close"}) from None


async def _read(request: Request, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def _too_large(max_bytes: int) -> Problem:
    # Closing tells the client to stop sending what will not be read.
    return Problem(413, "BODY_TOO_LARGE", f"a body may have at most {max_bytes} bytes", headers={"Connection": "close"})


def parse_json(body: bytes) -> Any:
    """The document; refuses NaN, repeated keys and text that no database stores."""
    try:
        # As text: of bytes, json would guess the encoding, and JSON is UTF-8 (RFC 8259 section 8.1).
        data = json.loads(body.decode(), parse_constant=_no_constant, object_pairs_hook=_once_each)
    except RecursionError:
        raise Problem(400, "BODY_MALFORMED", "the JSON is nested too deep") from None
    except ValueError as error:
        raise Problem(400, "BODY_MALFORMED", f"the body is no JSON: {error}") from None
    if b"\\u" in body:  # only an escape can bring in a NUL or half a surrogate pair
        found = islice(_unstorable(data, ""), MOST_ERRORS)
        wrong = [(pointer, "holds a NUL or half of a surrogate pair") for pointer in found]
        if wrong:
            raise SpecInvalid(wrong)
    return data


def parse_as(model: type[Model], body: bytes) -> Model:
    """The document as an object of the model; raises Problem 422 that names each field at fault."""
    try:
        return model.model_validate(parse_json(body))
    except ValidationError as error:
        places = [(_pointer(item), _explained(item)) for item in error.errors()[:MOST_ERRORS]]
        detail = f"{places[0][0]}: {places[0][1]}"
        raise Problem(422, "BODY_INVALID", detail, errors=places) from None


def _pointer(item: ErrorDetails) -> str:
    return "".join(f"/{part}" for part in item["loc"])


def _explained(item: ErrorDetails) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown field"
    given = "" if item["type"] in ("missing", "model_type") else f", not {item['input']!r:.100}"
    return f"{item['msg'].removeprefix('Value error, ')}{given}"


def digest(data: Any) -> str:
    """The same for documents that differ only in spacing and the order of keys: sha256 in hex."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {twice!r} is given twice")
    return document


def _unstorable(value: Any, pointer: str) -> Iterator[str]:
    if isinstance(value, str) and _UNSTORABLE.search(value):
        yield pointer
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unstorable(item, f"{pointer}/{index}")
    elif isinstance(value, dict):
        if any(_UNSTORABLE.search(key) for key in value):
            yield pointer
        for key, item in value.items():
            yield from _unstorable(item, f"{pointer}/{key}")


Body = Annotated[bytes, Depends(read_body)]
