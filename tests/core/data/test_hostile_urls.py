"""The corpus of hostile URLs: with private addresses refused, a server on loopback is never reached, and no error
quotes what a server said."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from core.data import web
from core.data.dataset import open_dataset
from core.data.uri import fetch
from core.errors import DatasetInvalid, DatasetUnreachable
from core.policy import Policy
from core.spec import DatasetSpec
from core.spec.uris import addresses
from core.spec.uris.reason import Unreachable
from core.spec.uris.web import _next, _split
from core.system.workspace import Workspace
from tests.core.data.conftest import Site

CANARY = "cnry-7d1f"
PORTS = tuple(range(1, 65536))
PUBLIC_ONLY = Policy(private_addresses=False, download_ports=PORTS)
HOSTS = (
    *("127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "localhost", "LOCALHOST", "localhost.", "127.0.0.1."),
    *("0", "0.0.0.0", "2130706433", "017700000001", "0177.0.0.1", "0x7f000001", "0x7f.1", "0x7F.0x0.0x0.0x1"),
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
    *("[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[fec0::1]"),
    *("[fe80::1]", "[fd00:ec2::254]", "169.254.169.254", "192.88.99.1", "10.0.0.1", "172.16.0.1", "192.168.0.1"),
    *("100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "%6c%6fcalhost", "127%2e0%2e0%2e1"),
    *("①②⑦.0.0.1", "127。0。0。1", "user@127.0.0.1", "example.com@127.0.0.1", "127.0.0.1\\@example.com"),
    *("127.0.0.1%00.example.com", "localhost%23.example.com", "metadata.invalid", "-", ".", "a" * 300),
)
OTHERS = (
    *("gopher://127.0.0.1:6379/_x", "ftp://127.0.0.1/x", "dict://127.0.0.1/x", "ldap://127.0.0.1/x", "jar:http://x!/"),
    *("HTTP://127.0.0.1/x", "http:/\\127.0.0.1/x", "http:///127.0.0.1/x", "http:127.0.0.1/x", "//127.0.0.1/x"),
    *("file://127.0.0.1/etc/passwd", "s3://a::http://127.0.0.1/x", "hf://zip://x::http://127.0.0.1/x"),
    *("gs://b::file:///etc/passwd", "s3://127.0.0.1:80/x", "s3://key:secret@bucket/x", "http://[::1/x", "http://a:b/x"),
    *("http://127.0.0.1:99999/x", "http://127.0.0.1:-1/x", "http://127.0.0.1:0/x"),
)


def get(uri: str, tmp_path: Path, policy: Policy = PUBLIC_ONLY) -> Path:
    return fetch(uri, Workspace(tmp_path, tmp_path, None, policy))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def as_public(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The site under a name whose address passes for public, which every other address of this machine does not."""
    real = socket.getaddrinfo

    def lookup(host: str, port: int, *args: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host == "public.test" else "127.0.0.2", port, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    yield f"http://public.test:{site.port}"


@pytest.mark.parametrize("host", HOSTS)
def test_no_writing_of_a_private_host_is_dialled(tmp_path: Path, site: Site, host: str) -> None:
    site.answers.setdefault("/x", lambda handler: handler.send_error(418, CANARY))
    with pytest.raises(DatasetUnreachable):
        get(f"http://{host}:{site.port}/x", tmp_path)
    assert site.requests == []


@pytest.mark.parametrize("uri", OTHERS)
def test_no_other_writing_leads_anywhere(tmp_path: Path, uri: str) -> None:
    with pytest.raises(DatasetUnreachable):
        get(uri, tmp_path)


@pytest.mark.parametrize("to", [
    *("http://127.0.0.2:{port}/" + CANARY, "//127.0.0.2:{port}/" + CANARY, "http://[::1]:{port}/" + CANARY),
    *("http://169.254.169.254/" + CANARY, "http://" + CANARY + ".invalid/", "gopher://127.0.0.1:{port}/" + CANARY),
    *("file:///etc/" + CANARY, "http://" + CANARY + ":x@public.test:{port}/", "http://[" + CANARY, "http://:80/"),
    "http://public.test:1/" + CANARY,
])  # fmt: skip
def test_a_redirect_is_checked_and_not_quoted(tmp_path: Path, site: Site, as_public: str, to: str) -> None:
    site.redirect("/x", to.format(port=site.port))
    with pytest.raises(DatasetUnreachable) as caught:
        get(f"{as_public}/x", tmp_path)
    assert CANARY not in f"{caught.value.message} {caught.value.hint}"
    assert [path for path, _ in site.requests if path != "/x"] == []


def test_https_is_never_left_for_http() -> None:
    with pytest.raises(Unreachable, match="https to http"):
        _next(_split("https://a.test/x"), "http://a.test/x")
    assert _next(_split("http://a.test/x"), "https://a.test/x").scheme == "https"


def test_ports_are_limited(tmp_path: Path, site: Site, as_public: str) -> None:
    with pytest.raises(DatasetUnreachable, match=f"port {site.port} may not be used"):
        get(f"{as_public}/x", tmp_path, Policy(private_addresses=False))
    assert site.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        f"HTTP/1.1 418 {CANARY}\r\n\r\n",
        f"SSH-2.0-{CANARY}\r\n",
        f"HTTP/9.9 {CANARY}\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nContent-Length: {CANARY}\r\nTransfer-Encoding: chunked\r\n\r\n{CANARY}\r\n",
        f"HTTP/1.1 500 {CANARY}\r\n\r\n{CANARY}",
        f"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{CANARY}",
        f"HTTP/1.1 200 OK\r\nContent-Length: {'9' * 5000}\r\n\r\n{CANARY}",
        f"HTTP/1.1 302 Found\r\nLocation: {CANARY}://x\r\n\r\n",
        f"HTTP/1.1 200 OK\r\n{CANARY * 9999}: x\r\n\r\n",
        "",
    ],
)
def test_no_error_quotes_an_answer(tmp_path: Path, answer: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(web.ATTEMPTS):
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer.encode())

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(DatasetUnreachable) as caught:
            get(f"http://127.0.0.1:{server.getsockname()[1]}/x", tmp_path, Policy())
        assert CANARY not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("name", ["x.json", "x.jsonl", "x.csv", "x.tsv", "x.txt", "x", "x.zip", "x.npz", "x.parquet"])
@pytest.mark.parametrize(
    "body", [f'[{{"image": "a.png", "label": "{CANARY}"}}]', f"{CANARY},label\na.png,{CANARY}\n", f"{CANARY}\0\1\2"]
)
def test_no_error_quotes_a_text_that_was_fetched(tmp_path: Path, site: Site, name: str, body: str) -> None:
    """Also where a redirect of the same host led there: the name comes from the URL that was asked for."""
    site.redirect(f"/{name}", "/internal")
    site.give("/internal", body.encode())
    with pytest.raises(DatasetInvalid) as caught:
        open_dataset(
            DatasetSpec(uri=f"{site.url}/{name}"), Workspace(tmp_path, tmp_path / "cache", None, Policy()), seed=0
        )
    assert CANARY not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("head", [True, False])
def test_a_server_that_drips_is_left_at_the_deadline(tmp_path: Path, site: Site, head: bool) -> None:
    over = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        if not head:
            handler.send_response(200)
            handler.end_headers()
        for _ in range(200):
            try:
                handler.wfile.write(b"x" if not head else b"H")
                handler.wfile.flush()
            except OSError:
                break
            if over.wait(0.05):
                break

    site.answers["/x"] = drip
    with pytest.raises(DatasetUnreachable, match=r"longer than 0\.3 seconds"):
        get(f"{site.url}/x", tmp_path, Policy(max_download_seconds=0.3))
    over.set()
    assert not list(tmp_path.rglob("*.part"))


def test_credentials_go_to_the_named_host_alone(tmp_path: Path, site: Site) -> None:
    workspace = Workspace(tmp_path, tmp_path, None, Policy(), secrets={"shop": "Bearer " + CANARY})
    site.redirect("/x", f"http://localhost:{site.port}/y")
    site.give("/y", b"there")
    assert fetch(f"{site.url}/x", workspace, credentials="secret://shop").read_bytes() == b"there"
    sent = {path: headers.get("Authorization") for path, headers in site.requests}
    assert sent == {"/x": "Bearer " + CANARY, "/y": None}


def test_a_secret_may_be_the_whole_uri(tmp_path: Path, site: Site) -> None:
    site.give(f"/x.zip?token={CANARY}", b"there")
    workspace = Workspace(tmp_path, tmp_path, None, Policy(), secrets={"photos": f"{site.url}/x.zip?token={CANARY}"})
    assert fetch("secret://photos", workspace).read_bytes() == b"there"
    with pytest.raises(DatasetUnreachable) as caught:
        fetch("secret://photos", workspace, sha256="0" * 64)
    assert "secret://photos" in caught.value.message
    assert CANARY not in caught.value.message
