"""The locks of requirements/: hashes everywhere, no index, one version of each package, no torch on an API host."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = {path.stem: path.read_text() for path in sorted((ROOT / "requirements").glob("*.txt"))}
CLIENT = {
    re.match(r"[\w.-]+", requirement)[0]
    for requirement in tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())["project"]["dependencies"]
}
PIN = re.compile(r"^([a-zA-Z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    return dict(PIN.findall(LOCKS[lock]))


def test_there_is_a_lock_for_every_host() -> None:
    assert set(LOCKS) == {"test", "embedded", "api", "worker", "client", "build"}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index_and_no_path(lock: Any) -> None:
    assert "://" not in LOCKS[lock]
    assert not re.search(r"(^|\s)--(index|extra-index|find-links|trusted)", LOCKS[lock])
    assert not re.search(r"(^|\s)(/|\.\.?/)\w", LOCKS[lock])


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_hashes(lock: Any) -> None:
    packages = [block for block in re.split(r"\n(?=[a-zA-Z0-9])", LOCKS[lock]) if not block.startswith("#")]
    assert len(packages) == len(PIN.findall(LOCKS[lock])) > 5
    assert all("--hash=sha256:" in package for package in packages)


@pytest.mark.parametrize("lock", [name for name in LOCKS if name != "test"])
def test_locks_agree_with_the_lock_of_the_tests(lock: Any) -> None:
    tested = pins("test")
    assert {
        name: (version, tested.get(name)) for name, version in pins(lock).items() if tested.get(name) != version
    } == {}


def test_an_api_host_installs_no_torch_and_a_client_no_server() -> None:
    assert not {"torch", "torchvision", "timm", "numpy", "scikit-learn", "celery"} & set(pins("api"))
    assert not {"torch", "fastapi", "sqlalchemy", "celery", "numpy"} & set(pins("client"))
    assert {"torch", "celery"} <= set(pins("worker"))


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("api", ["api"]), ("worker", ["worker", "engine"]), ("embedded", ["embedded"])],
)
def test_a_lock_holds_what_its_extras_ask_for(lock: str, extras: list[str]) -> None:
    assert required(extras) <= set(pins(lock))


def test_the_lock_of_the_client_holds_what_the_client_asks_for() -> None:
    assert set(pins("client")) >= CLIENT


def required(extras: list[str]) -> set[str]:
    """The packages that these extras of the service ask for, those of the client included where they ask for it."""
    offered = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted, open_extras = set(), list(extras)
    while open_extras:
        for requirement in offered[open_extras.pop()]:
            name, _, inner = re.match(r"([\w.-]+)(\[([\w.,-]+)\])?", requirement).groups()
            if name == "retort-service":
                open_extras += inner.split(",")
            else:
                wanted |= CLIENT if name == "retort" else {name.lower().replace("_", "-")}
    return wanted
