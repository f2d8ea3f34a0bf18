"""The key of this machine's service: the client finds it while `retort up` runs, and never sends it elsewhere."""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from running import Up, retort
from scripted import Answer, Scripted

from retort import Refused, Retort, local_service

KEY = "rtk_of_this_machine"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder and a working folder of this test's own, and no key in the environment."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("RETORT_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def running(state: Path, server: Scripted) -> Iterator[Callable[[str], None]]:
    """Makes a data folder look like that of a `retort up` at an address, until the end of the test."""
    held: list[int] = []

    def run(url: str) -> None:
        data = state / "data"
        data.mkdir()
        (data / "token").write_text(f"{KEY}\n")
        held.append(os.open(data / "up.lock", os.O_RDWR | os.O_CREAT, 0o600))
        os.write(held[0], f"{url} (process 1)".encode())
        fcntl.flock(held[0], fcntl.LOCK_EX)
        address = httpx.URL(server.url)
        assert local_service.note(address.host, address.port or 0, data)

    server.script = [Answer(200, b'{"data": [], "has_more": false}', {"Content-Type": "application/json"})]
    yield run
    for fd in held:
        os.close(fd)


def sent(server: Scripted) -> str | None:
    return server.requests[-1].headers.get("authorization")


def test_it_is_sent_to_the_running_service(running: Callable[[str], None], server: Scripted) -> None:
    running(server.url)
    list(Retort(server.url).jobs())
    assert sent(server) == f"Bearer {KEY}"
    list(Retort(server.url.replace("127.0.0.1", "localhost")).jobs())
    assert sent(server) == f"Bearer {KEY}"


def test_a_given_key_and_that_of_the_environment_win(
    running: Callable[[str], None], server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    running(server.url)
    monkeypatch.setenv("RETORT_API_KEY", "rtk_environment")
    list(Retort(server.url).jobs())
    assert sent(server) == "Bearer rtk_environment"
    list(Retort(server.url, api_key="rtk_given").jobs())
    assert sent(server) == "Bearer rtk_given"


def test_it_is_not_sent_where_the_service_has_ended(
    running: Callable[[str], None], server: Scripted, state: Path
) -> None:
    """Another user's program may listen at the port by now."""
    running(server.url)
    with (state / "data" / "up.lock").open() as lock:
        assert local_service.find(server.url) is not None
        fcntl.flock(lock, fcntl.LOCK_UN)
    (state / "data" / "up.lock").unlink()
    (state / "data" / "up.lock").write_text(f"{server.url} (process 1)")  # of a service that is no more
    list(Retort(server.url).jobs())
    assert sent(server) is None


def test_it_is_not_sent_where_the_service_is_at_another_address(
    running: Callable[[str], None], server: Scripted
) -> None:
    running("http://127.0.0.1:1")
    list(Retort(server.url).jobs())
    assert sent(server) is None


def test_no_key_follows_an_address_that_an_answer_names(server: Scripted, tmp_path: Path) -> None:
    other = Scripted()
    try:
        other.script = [Answer(200, b"content")]
        artifact = {"name": "a", "sha256": "0" * 64, "size_bytes": 7, "href": f"{other.url}/a", "media_type": "x"}
        view = {"id": "job_1", "state": "succeeded", "done": True}
        answers = [view, {"data": [artifact]}]
        server.script = [
            Answer(200, httpx.Response(200, json=one).content, {"Content-Type": "application/json"}) for one in answers
        ]
        with pytest.raises(Exception, match="sha256"):
            Retort(server.url, api_key="rtk_secret").job("job_1").download(tmp_path)
        assert sent(server) == "Bearer rtk_secret" and sent(other) is None
    finally:
        other.close()


@pytest.mark.slow
def test_other_users_have_no_access_and_nobody_types_a_key(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    up = Up(data)
    try:
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        assert stat.S_IMODE((data / "token").stat().st_mode) == 0o600
        assert retort("jobs", url=up.url, cwd=tmp_path).code == 0
        assert httpx.get(f"{up.url}/v1/jobs").status_code == 401
        link = retort("dashboard", url=up.url).out.strip()
        code = link.removeprefix(f"{up.url}/#/sign-in/")
        signed_in = httpx.post(f"{up.url}/v1/session", json={"code": code})
        assert httpx.get(f"{up.url}/v1/jobs", cookies=signed_in.cookies).status_code == 200
        made = retort("keys", "create", "--name", "ci", "--scope", "read", "--json", url=up.url).json
        with pytest.raises(Refused, match="SCOPE_INSUFFICIENT"):
            Retort(up.url, api_key=made["key"]).submit(dataset="builtin:digits", student="nano")
        assert made["id"] in retort("keys", "list", url=up.url).out
        assert retort("keys", "revoke", made["id"], url=up.url).out == f"{made['id']} revoked\n"
        told = retort("audit", "--json", url=up.url).json
        assert {"create_key", "revoke_key", "scope_insufficient", "sign_in"} <= {entry["action"] for entry in told}
    finally:
        up.stop()
    assert not list((Path(os.environ["XDG_STATE_HOME"]) / "retort" / "services").glob(f"*_{httpx.URL(up.url).port}"))


@pytest.mark.slow
def test_open_needs_no_key(tmp_path: Path) -> None:
    up = Up(tmp_path / "data", "--open")
    try:
        assert httpx.get(f"{up.url}/v1/jobs").status_code == 200
        assert not (tmp_path / "data" / "token").exists()
    finally:
        up.stop()
