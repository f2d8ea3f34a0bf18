"""What a worker says about itself, and the catalogues that it publishes."""

import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from store.catalogues import catalogue
from store.database import Database
from worker import registry
from worker.catalogue import publish

STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in.py")))
BROKEN = (sys.executable, "-c", "raise SystemExit(1)")
SLOW = (sys.executable, "-c", "import time; time.sleep(60)")


def test_devices_are_what_the_driver_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert registry.devices() == ("cpu",)
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H200, 143771 MiB'\necho 'NVIDIA H200, 143771 MiB'\n")
    program.chmod(0o755)
    assert registry.devices() == ("NVIDIA H200, 143771 MiB",) * 2 + ("cpu",)
    program.write_text("#!/bin/sh\nexit 9\n")
    assert registry.devices() == ("cpu",)


def test_two_workers_never_share_a_name() -> None:
    assert registry.new_worker_id() != registry.new_worker_id()


@pytest.fixture
def published(database: Database) -> Any:
    """What is published under a kind."""

    def read(kind: str) -> Any:
        with database.read() as session:
            found = catalogue(session, kind)
        return found.data if found else None

    return read


def test_a_catalogue_is_published_once_a_version(database: Database, published: Any) -> None:
    stop = threading.Event()
    assert publish(database, STAND_IN, "1", ("PATH",), stop)
    assert published("students") == [{"name": "nano"}]
    assert not publish(database, BROKEN, "1", ("PATH",), stop)  # nobody is asked
    assert publish(database, STAND_IN, "2", ("PATH",), stop)
    assert published("version") == "2"


def test_an_engine_that_fails_publishes_nothing(database: Database, published: Any) -> None:
    assert not publish(database, BROKEN, "1", ("PATH",), threading.Event())
    assert published("version") is None


def test_a_stopping_worker_does_not_wait_for_the_catalogue(database: Database, published: Any) -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    assert not publish(database, SLOW, "1", ("PATH",), stop)
    assert published("students") is None
