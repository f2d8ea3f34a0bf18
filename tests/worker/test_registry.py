"""What a worker says about itself, and the catalogues that it publishes."""

import importlib.metadata
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from store.catalogues import catalogue, publish_catalogue, shipped
from store.database import Database
from worker import registry
from worker.catalogue import publish

STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in.py")))
BROKEN = (sys.executable, "-c", "raise SystemExit(1)")
SLOW = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program in the place of the driver's; there is none before."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def say(script: str) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return say


TWO = "echo 'NVIDIA H200, 143771 MiB'\necho 'NVIDIA L4, 23034 MiB'"


def test_devices_are_what_the_driver_lists(tmp_path: Path, driver: Callable[[str], None]) -> None:
    assert registry.devices({}, tmp_path) == ("cpu",)
    driver(TWO)
    assert registry.devices({}, tmp_path) == ("NVIDIA H200, 143771 MiB", "NVIDIA L4, 23034 MiB", "cpu")


def test_gpus_are_counted_where_the_drivers_program_is_missing_or_stuck(
    tmp_path: Path, driver: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert registry.devices({}, tmp_path) == ("NVIDIA GPU", "NVIDIA GPU", "cpu")
    monkeypatch.setattr(registry, "NVIDIA_SECONDS", 0.2)
    driver("exec /bin/sleep 60")
    assert registry.devices({}, tmp_path) == ("NVIDIA GPU", "NVIDIA GPU", "cpu")
    driver("exit 9")  # it says that the driver does not work
    assert registry.devices({}, tmp_path) == ("cpu",)


@pytest.mark.parametrize(
    ("visible", "seen"),
    [
        ("", []), ("-1", []), ("NoDevFiles", []), ("1", ["NVIDIA L4, 23034 MiB"]), ("1,2,0", ["NVIDIA L4, 23034 MiB"]),
        ("1, 0", ["NVIDIA L4, 23034 MiB", "NVIDIA H200, 143771 MiB"]), ("GPU-8932f937", ["GPU-8932f937"]),
    ],
)  # fmt: skip
def test_a_worker_offers_what_its_engines_are_let_see(
    visible: str, seen: list[str], tmp_path: Path, driver: Callable[[str], None]
) -> None:
    driver(TWO)
    assert registry.devices({"CUDA_VISIBLE_DEVICES": visible}, tmp_path) == (*seen, "cpu")


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


@pytest.fixture
def other_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped catalogue was made with other versions than those installed."""
    monkeypatch.setattr("worker.catalogue.shipped", lambda: {"libraries": {"timm": "0", "torchvision": "0"}})


def test_the_shipped_catalogue_needs_no_engine(database: Database, published: Any) -> None:
    made_with = {name: importlib.metadata.version(name) for name in ("timm", "torchvision")}
    if shipped()["libraries"] != made_with:
        pytest.skip(f"the shipped catalogue is for {shipped()['libraries']}, installed are {made_with}")
    with database.begin() as session:
        publish_catalogue(session, "students", ["of an older version"])
    assert publish(database, BROKEN, "1", ("PATH",), threading.Event())
    assert published("students") == shipped()["students"]
    assert published("version") == "1"


@pytest.mark.usefixtures("other_libraries")
def test_a_catalogue_is_published_once_a_version(database: Database, published: Any) -> None:
    stop = threading.Event()
    assert publish(database, STAND_IN, "1", ("PATH",), stop)
    assert published("students") == [{"name": "nano"}]
    assert not publish(database, BROKEN, "1", ("PATH",), stop)  # nobody is asked
    assert publish(database, STAND_IN, "2", ("PATH",), stop)
    assert published("version") == "2"


@pytest.mark.usefixtures("other_libraries")
def test_an_engine_that_fails_publishes_nothing(database: Database, published: Any) -> None:
    assert not publish(database, BROKEN, "1", ("PATH",), threading.Event())
    assert published("version") is None


@pytest.mark.usefixtures("other_libraries")
def test_a_stopping_worker_does_not_wait_for_the_catalogue(database: Database, published: Any) -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    assert not publish(database, SLOW, "1", ("PATH",), stop)
    assert published("version") is None
