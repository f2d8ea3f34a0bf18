"""Downloads over http from a real server on loopback: whole or absent, refused by reason, never twice for nothing."""

import base64
import hashlib
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from core.data import web
from core.data.dataset import Source
from core.data.uri import fetch
from core.errors import DatasetUnreachable
from core.policy import Policy
from core.spec.uris import addresses
from core.system.workspace import Workspace
from tests.core.data.conftest import Encode, Site

PUBLIC_ONLY = Policy(private_addresses=False, download_ports=tuple(range(1, 65536)))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "PAUSE_SECONDS", 0.0)


def get(uri: str, tmp_path: Path, policy: Policy | None = None, **more: Any) -> Path:
    return fetch(uri, Workspace(tmp_path, tmp_path, None, policy or Policy()), **more)


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.rglob("*") if path.is_file())


def test_a_file_arrives_whole_under_its_name(tmp_path: Path, site: Site) -> None:
    body = bytes(range(256)) * 9000
    site.give("/set/photos.zip?token=abc", body)
    path = get(f"{site.url}/set/photos.zip?token=abc", tmp_path, sha256=hashlib.sha256(body).hexdigest())
    assert path.name == "photos.zip"
    assert path.read_bytes() == body


def test_a_dataset_over_http(
    tmp_path: Path,
    site: Site,
    make_zip: Callable[[Path, dict[str, bytes]], Path],
    encode: Encode,
    open_source: Callable[..., Source],
) -> None:
    members = {f"{label}/{i}.png": encode(i) for label in ("cat", "dog") for i in range(4)}
    site.give("/photos.zip", make_zip(tmp_path / "photos.zip", members).read_bytes())
    facts = open_source(f"{site.url}/photos.zip").decode(8).facts
    assert (facts.classes, facts.num_train) == (["cat", "dog"], 4)
    assert facts.uri == f"{site.url}/photos.zip"


def test_an_unchanged_file_is_not_sent_again(tmp_path: Path, site: Site) -> None:
    site.give("/x.zip", b"first", ETag='"1"')
    first = get(f"{site.url}/x.zip", tmp_path)
    assert get(f"{site.url}/x.zip", tmp_path) == first
    assert site.requests[1][1]["If-None-Match"] == '"1"'
    site.give("/x.zip", b"second", ETag='"2"')
    assert get(f"{site.url}/x.zip", tmp_path).read_bytes() == b"second"


def test_a_damaged_cache_is_noticed(tmp_path: Path, site: Site) -> None:
    site.give("/x.zip", b"first", ETag='"1"')
    path = get(f"{site.url}/x.zip", tmp_path)
    path.write_bytes(b"fir")
    assert get(f"{site.url}/x.zip", tmp_path).read_bytes() == b"first"


def test_404(tmp_path: Path, site: Site) -> None:
    with pytest.raises(DatasetUnreachable, match=r"^http://127.0.0.1:\d+/x.zip: the server answers 404"):
        get(f"http://me:secret@127.0.0.1:{site.port}/x.zip", tmp_path)
    assert files(tmp_path) == []
    assert len(site.requests) == 1


def test_user_information_is_sent_as_basic_authorization(tmp_path: Path, site: Site) -> None:
    site.give("/x.zip", b"x")
    get(f"http://me:s%2Fe@127.0.0.1:{site.port}/x.zip", tmp_path)
    assert site.requests[0][1]["Authorization"] == "Basic " + base64.b64encode(b"me:s/e").decode()


def test_a_truncated_transfer_is_tried_again_and_then_refused(tmp_path: Path, site: Site) -> None:
    site.give("/x.zip", b"half", promised=8)
    with pytest.raises(DatasetUnreachable, match="broke off after 4"):
        get(f"{site.url}/x.zip", tmp_path)
    assert files(tmp_path) == []
    assert len(site.requests) == web.ATTEMPTS


def test_a_server_that_recovers(tmp_path: Path, site: Site) -> None:
    site.give("/ok", b"whole")
    working = site.answers["/ok"]

    def fails_once(handler: BaseHTTPRequestHandler) -> None:
        site.answers["/x.zip"] = working
        handler.send_error(503)

    site.answers["/x.zip"] = fails_once
    assert get(f"{site.url}/x.zip", tmp_path).read_bytes() == b"whole"


@pytest.mark.parametrize("promised", [None, 3])
def test_a_file_beyond_the_limit(tmp_path: Path, site: Site, promised: int | None) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if promised is not None:
            handler.send_header("Content-Length", "1001")
        handler.end_headers()
        handler.wfile.write(bytes(1001))

    site.answers["/x.zip"] = endless
    with pytest.raises(DatasetUnreachable, match="1000"):
        get(f"{site.url}/x.zip", tmp_path, Policy(max_download_bytes=1000))
    assert files(tmp_path) == []


def test_redirects_are_followed_but_not_for_ever(tmp_path: Path, site: Site) -> None:
    for hop in range(5):
        site.redirect(f"/{hop}", f"/{hop + 1}")
    site.give("/5", b"there")
    assert get(f"{site.url}/2", tmp_path).read_bytes() == b"there"
    with pytest.raises(DatasetUnreachable, match="redirects more than 3 times"):
        get(f"{site.url}/1", tmp_path)


def test_a_redirect_may_not_leave_http(tmp_path: Path, site: Site) -> None:
    site.redirect("/x", "file:///etc/passwd")
    with pytest.raises(DatasetUnreachable, match="redirects to another scheme"):
        get(f"{site.url}/x", tmp_path)


def test_a_refused_connection_and_an_unknown_host(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(DatasetUnreachable, match=f"cannot connect to 127.0.0.1:{port} .*refused"):
        get(f"http://127.0.0.1:{port}/x", tmp_path)
    with pytest.raises(DatasetUnreachable, match=r"'no-such-host.invalid' cannot be resolved"):
        get("http://no-such-host.invalid/x", tmp_path)


def test_https_asks_for_a_certificate(tmp_path: Path, site: Site) -> None:
    with pytest.raises(DatasetUnreachable, match="cannot connect"):
        get(f"https://127.0.0.1:{site.port}/x", tmp_path)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "[::1]", "[::ffff:127.0.0.1]"],
)
def test_private_addresses_in_any_writing_are_never_dialled(tmp_path: Path, site: Site, host: str) -> None:
    site.give("/x", b"secret")
    with pytest.raises(DatasetUnreachable, match=r"private address|cannot be resolved"):
        get(f"http://user@{host}:{site.port}/x", tmp_path, PUBLIC_ONLY)
    assert site.requests == []


def test_every_hop_and_every_address_is_checked(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A public name that redirects to, or also resolves to, loopback. Only the name service is replaced."""
    real, answers = socket.getaddrinfo, {"public.test": ["127.0.0.1"], "both.test": ["93.184.216.34", "127.0.0.1"]}

    def lookup(host: str, port: int, *args: Any, **more: Any) -> list[Any]:
        return [real(one, port, *args, **more)[0] for one in answers.get(host, [host])]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(DatasetUnreachable, match=r"'both.test' has a private address"):
        get(f"http://both.test:{site.port}/x", tmp_path, PUBLIC_ONLY)
    assert site.requests == []
    monkeypatch.setattr(addresses, "is_public", lambda address: len(site.requests) == 0)
    site.redirect("/x", f"http://127.0.0.1:{site.port}/secret")
    with pytest.raises(DatasetUnreachable, match="redirects to a private address"):
        get(f"http://public.test:{site.port}/x", tmp_path, PUBLIC_ONLY)
    assert [path for path, _ in site.requests] == ["/x"]
    assert site.requests[0][1]["Host"] == f"public.test:{site.port}"


def test_a_name_that_changes_its_address_after_the_check(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was checked is what is dialled: the second answer of the name service, 127.0.0.2, is never asked for."""
    real, answers = socket.getaddrinfo, ["127.0.0.1", "127.0.0.2", "127.0.0.2"]

    def lookup(host: str, port: int, *args: Any, **more: Any) -> Any:
        return real(answers.pop(0) if host == "flips.test" else host, port, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    site.give("/x", b"checked")
    assert get(f"http://flips.test:{site.port}/x", tmp_path, PUBLIC_ONLY).read_bytes() == b"checked"
    assert len(answers) == 2


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "0.0.0.0",
        "::",
        "::8.8.8.8",
        "::ffff:0:808:808",
        "::ffff:8.8.8.8",
        "fec0::1",
        "feff::1",
        "192.88.99.1",
        "192.0.0.8",
        "198.18.0.1",
        "203.0.113.1",
        "240.0.0.1",
        "255.255.255.255",
        "2001:db8::1",
        "2001::1",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "100::1",
        "64:ff9b:1::1",
        "64:ff9b::a9fe:a9fe",
        "ff02::1",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not addresses.is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"])
def test_addresses_that_are_public(address: str) -> None:
    assert addresses.is_public(address)
