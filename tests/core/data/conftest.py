"""Real image files, made small; datasets opened the way a job opens them."""

import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.data.dataset import Dataset, Source, open_dataset
from core.policy import Policy
from core.spec import DatasetSpec
from core.system.workspace import Workspace

Encode = Callable[..., bytes]


@pytest.fixture
def encode() -> Encode:
    """Bytes of an image of random pixels: encode(seed, format, size)."""

    def make(seed: int = 0, form: str = "PNG", size: tuple[int, int] = (8, 8), mode: str = "RGB") -> bytes:
        shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
        pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, form)
        return buffer.getvalue()

    return make


@pytest.fixture
def pixels() -> Callable[[bytes], np.ndarray]:
    """uint8 3 H W of an encoded RGB image, as Pillow alone decodes it."""
    return lambda data: np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).transpose(2, 0, 1)


@pytest.fixture
def make_zip() -> Callable[[Path, dict[str, bytes]], Path]:
    """A zip at a path, of members by name."""

    def make(path: Path, members: dict[str, bytes]) -> Path:
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return path

    return make


@pytest.fixture
def make_tar() -> Callable[[Path, dict[str, bytes]], Path]:
    """A tar at a path, of members by name; gzipped where the path says so."""

    def make(path: Path, members: dict[str, bytes]) -> Path:
        with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return path

    return make


@pytest.fixture
def by_name() -> Callable[[Dataset], dict[str, tuple[str, np.ndarray, str]]]:
    """A dataset as name -> (class, pixels 3 S S, split)."""

    def collect(dataset: Dataset) -> dict[str, tuple[str, np.ndarray, str]]:
        return {
            name: (dataset.classes[label], image.numpy(), split)
            for split, part in (("train", dataset.train), ("validation", dataset.validation), ("test", dataset.test))
            for name, label, image in zip(part.names, part.labels.tolist(), part.images, strict=True)
        }

    return collect


@pytest.fixture
def class_folders(encode: Encode) -> Callable[..., Path]:
    """A tree of class folders: class_folders(root, {"cat": 5}) makes cat/0.png ... cat/4.png, each another image."""

    def make(root: Path, counts: dict[str, int]) -> Path:
        for number, (name, count) in enumerate(counts.items()):
            (root / name).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                (root / name / f"{index}.png").write_bytes(encode(1000 * number + index))
        return root

    return make


@pytest.fixture
def open_source(tmp_path: Path) -> Callable[..., Source]:
    """open_source(path or URI, seed=0, policy=..., **fields of the spec)."""

    def make(where: Path | str, *, seed: int = 0, policy: Policy | None = None, **fields: Any) -> Source:
        uri = where if isinstance(where, str) else where.as_uri()
        spec = DatasetSpec(uri=uri, **fields)
        return open_dataset(
            spec, Workspace(tmp_path, tmp_path / "cache", tmp_path / "in", policy or Policy()), seed=seed
        )

    return make


class Site:
    """A web server on loopback that answers from a table of paths, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append((self.path, dict(self.headers)))
                site.answers.get(self.path, lambda handler: handler.send_error(404))(self)

            do_HEAD = do_POST = do_GET

            def log_message(self, *args: Any) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def give(self, path: str, body: bytes, *, promised: int | None = None, **headers: str) -> None:
        """Answer `path` with `body`; `promised` is the Content-Length, where it lies. Knows If-None-Match."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            if "ETag" in headers and handler.headers.get("If-None-Match") == headers["ETag"]:
                handler.send_response(304)
                handler.end_headers()
                return
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body) if promised is None else promised))
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            if handler.command == "GET":
                handler.wfile.write(body)

        self.answers[path] = answer

    def redirect(self, path: str, to: str) -> None:
        """Answer `path` with a 302."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(302)
            handler.send_header("Location", to)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        self.answers[path] = answer


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.server.shutdown()
    made.server.server_close()
