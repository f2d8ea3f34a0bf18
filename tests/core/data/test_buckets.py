"""s3, gs and hf through the real libraries, against servers on loopback that speak as much as is used."""

import hashlib
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import fsspec
import pytest
from moto.server import ThreadedMotoServer

from core.data.dataset import Source
from core.data.uri import fetch
from core.errors import DatasetUnreachable
from core.policy import Policy
from core.system.workspace import Workspace
from tests.core.data.conftest import Encode, Site


def get(uri: str, tmp_path: Path, policy: Policy | None = None) -> Path:
    return fetch(uri, Workspace(tmp_path, tmp_path / "cache", None, policy or Policy()))


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def shelf(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bucket `shelf`, with its client."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="shelf")
    return client


def test_an_object_of_s3(shelf: Any, tmp_path: Path) -> None:
    shelf.put_object(Bucket="shelf", Key="one/photos.zip", Body=bytes(3_000_000))
    path = get("s3://shelf/one/photos.zip", tmp_path)
    assert (path.name, path.stat().st_size) == ("photos.zip", 3_000_000)
    stamp = path.stat().st_mtime_ns
    assert get("s3://shelf/one/photos.zip", tmp_path).stat().st_mtime_ns == stamp
    shelf.put_object(Bucket="shelf", Key="one/photos.zip", Body=b"new")
    assert get("s3://shelf/one/photos.zip", tmp_path).read_bytes() == b"new"


def test_class_folders_below_a_prefix_of_s3(
    shelf: Any, tmp_path: Path, encode: Encode, open_source: Callable[..., Source]
) -> None:
    members = {f"{label}/{i}.png": encode(i) for label in ("cat", "dog") for i in range(4)}
    for name, data in members.items():
        shelf.put_object(Bucket="shelf", Key=f"two/{name}", Body=data)
    assert tree(get("s3://shelf/two", tmp_path)) == members
    assert open_source("s3://shelf/two/").decode(8).classes == ("cat", "dog")


@pytest.mark.parametrize("uri", ["s3://shelf/absent.zip", "s3://no-such-bucket/x.zip"])
def test_what_s3_lacks(shelf: Any, tmp_path: Path, uri: str) -> None:
    with pytest.raises(DatasetUnreachable, match=rf"^{uri}: no such object \(404\)"):
        get(uri, tmp_path)


def test_hostile_keys_and_sizes_of_s3(shelf: Any, tmp_path: Path) -> None:
    shelf.put_object(Bucket="shelf", Key="three/../../up.png", Body=b"x")
    with pytest.raises(DatasetUnreachable, match="climbs out"):
        get("s3://shelf/three", tmp_path)
    shelf.put_object(Bucket="shelf", Key="four/a", Body=b"12345")
    with pytest.raises(DatasetUnreachable, match="5 bytes; allowed are 4"):
        get("s3://shelf/four", tmp_path, Policy(max_download_bytes=4))
    assert not (tmp_path / "cache").exists()


def answer(handler: BaseHTTPRequestHandler, body: bytes | dict | list, **headers: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.send_header("Content-Type", "application/octet-stream" if isinstance(body, bytes) else "application/json")
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(data)


class Anything(dict):
    """A site's answers: one function for every path."""

    def __init__(self, respond: Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.respond = respond

    def get(self, path: str, default: Any = None) -> Any:
        return self.respond


GOOGLE = {"set/cat/1.png": b"one", "set/dog/2.png": b"two", "other.zip": b"zip"}


def google_cloud_storage(handler: BaseHTTPRequestHandler) -> None:
    """Bucket `shelf`: list by prefix, facts of an object, content of an object (or a range of it)."""
    parts = urlsplit(handler.path)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    items = {
        name: {"name": name, "bucket": "shelf", "size": str(len(data)), "generation": "1", "etag": f"e{len(data)}"}
        for name, data in GOOGLE.items()
    }
    path, _, name = unquote(parts.path).partition("/b/shelf/o")
    name = name.strip("/")
    if not name:
        prefix = query.get("prefix", "")
        answer(handler, {"items": [item for key, item in items.items() if key.startswith(prefix)]})
    elif name not in items:
        handler.send_error(404)
    elif path.startswith("/download") or query.get("alt") == "media":
        span = handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")
        answer(handler, GOOGLE[name][int(span[0]) : int(span[1] or -1) + 1 if span[1] else None])
    else:
        answer(handler, items[name])


@pytest.fixture
def gs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", site.url)
    monkeypatch.setitem(fsspec.config.conf, "gs", {"token": "anon"})
    site.answers = Anything(google_cloud_storage)


def test_gs(gs: None, tmp_path: Path) -> None:
    assert get("gs://shelf/other.zip", tmp_path).read_bytes() == b"zip"
    assert tree(get("gs://shelf/set", tmp_path)) == {"cat/1.png": b"one", "dog/2.png": b"two"}
    with pytest.raises(DatasetUnreachable, match=r"^gs://shelf/absent\.zip: no such object"):
        get("gs://shelf/absent.zip", tmp_path)


HUB = {
    "data/train-00000-of-00001.parquet": b"train rows",
    "data/test-00000-of-00001.parquet": b"test rows",
    "README.md": b"#",
}
COMMIT = "a" * 40


def hugging_face(handler: BaseHTTPRequestHandler) -> None:
    """The dataset `me/ants`: what it is, its tree, facts about paths, and the files."""
    parts = urlsplit(handler.path)
    path = unquote(parts.path)
    entries = [
        {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
        for name, data in HUB.items()
    ] + [{"type": "directory", "path": "data", "oid": "d" * 40}]
    body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    if path.startswith("/api/datasets/me/ants/paths-info/"):
        asked = parse_qs(body.decode()).get("paths") or json.loads(body)["paths"]
        answer(handler, [entry for entry in entries if entry["path"] in asked])
    elif path.startswith("/api/datasets/me/ants/tree/"):
        below = path.split("/tree/")[1].partition("/")[2]
        answer(handler, [entry for entry in entries if str(entry["path"]).startswith(below)])
    elif path.startswith("/api/datasets/me/ants"):
        answer(handler, {"id": "me/ants", "sha": COMMIT, "siblings": [], "private": False, "tags": []})
    elif "/resolve/" in path and (name := path.split("/resolve/")[1].partition("/")[2]) in HUB:
        span = handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")
        data = HUB[name][int(span[0]) : int(span[1]) + 1 if span[1] else None]
        answer(handler, data, ETag='"1"', **{"X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(HUB[name]))})
    else:
        handler.send_error(404)


@pytest.fixture
def hf(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fsspec.config.conf, "hf", {"endpoint": site.url, "token": False})
    site.answers = Anything(hugging_face)


def test_hf(hf: None, tmp_path: Path) -> None:
    assert tree(get("hf://datasets/me/ants", tmp_path)) == HUB
    single = get("hf://datasets/me/ants/data/train-00000-of-00001.parquet", tmp_path)
    assert single.read_bytes() == b"train rows"


def test_what_hf_lacks(hf: None, tmp_path: Path) -> None:
    with pytest.raises(DatasetUnreachable, match=r"^hf://datasets/me/bees: "):
        get("hf://datasets/me/bees", tmp_path)


@pytest.mark.parametrize(("scheme", "options"), [("gs", {"token": "anon"}), ("hf", {"token": False})])
def test_a_refused_connection(scheme: str, options: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = "http://127.0.0.1:9"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", nobody)
    more = {"endpoint": nobody} if scheme == "hf" else {"timeout": 1}
    monkeypatch.setitem(fsspec.config.conf, scheme, {**options, **more})
    monkeypatch.setattr("gcsfs.retry.asyncio.sleep", _no_pause)
    with pytest.raises(DatasetUnreachable, match=rf"^{scheme}://"):
        get(f"{scheme}://datasets/me/ants", tmp_path)


async def _no_pause(seconds: float) -> None:
    """gcsfs tries six times, ever slower."""
