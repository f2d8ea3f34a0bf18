"""The distributions as a user installs them: each from its wheel into an environment that holds nothing else.

Dependencies come from the environment of the tests, by links to those packages that the lock of the distribution pins.
"""

import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import venv
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

import pytest
from running import READY, ROOT, environment

pytestmark = pytest.mark.slow

UV = Path(sys.executable).with_name("uv")
TINY = {
    "dataset": {"uri": "builtin:digits", "classes": ["3", "8"], "max_per_class": 8},
    "student": "nano",
    "training": {"epochs": 2, "batch_size": 8, "image_size": 8},
    "exports": ["safetensors"],
}
USE = """
import asyncio, sys
from retort import AsyncRetort, Retort

job = Retort().job(sys.argv[1])
print(job.wait()["state"], len(job.download("files")))

async def ask():
    async with AsyncRetort() as retort:
        return (await retort.job(sys.argv[1])).view["state"]

print(asyncio.run(ask()))
"""


@dataclass
class Environment:
    """A virtual environment; `packages` is its site-packages folder."""

    folder: Path

    @property
    def packages(self) -> Path:
        return next(self.folder.glob("lib/python*/site-packages"))

    def install(self, wheel: Path) -> set[str]:
        """Install a wheel without its dependencies; what that put into site-packages."""
        before = set(os.listdir(self.packages))
        where = str(self.folder)
        command = [str(UV), "pip", "install", "--quiet", "--offline", "--no-deps", "--python", where, str(wheel)]
        subprocess.run(command, check=True)
        return set(os.listdir(self.packages)) - before

    def provide(self, lock: str) -> None:
        """Make the packages that a lock pins importable."""
        links = self.folder / "dependencies"
        links.mkdir()
        for name in re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / f"{lock}.txt").read_text(), re.MULTILINE):
            try:
                found = importlib.metadata.distribution(name)
            except importlib.metadata.PackageNotFoundError:
                continue  # for another platform
            for part in {file.parts[0] for file in found.files or () if ".." not in file.parts}:
                if not (links / part).exists():
                    (links / part).symlink_to(str(found.locate_file(part)))
        (self.packages / "dependencies.pth").write_text(str(links))

    def run(self, *command: str, url: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """The outcome of a program of this environment."""
        return subprocess.run(
            [self.folder / "bin" / command[0], *command[1:]],
            env=environment(**({"RETORT_URL": url} if url else {})),
            cwd=cwd or self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def build(folder: Path, into: Path) -> Path:
    """The wheel of a distribution."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(into)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return next(into.glob("*.whl"))


def empty(folder: Path, lock: str) -> Environment:
    """An environment with the packages of a lock and nothing else."""
    venv.create(folder, symlinks=True)
    made = Environment(folder)
    made.provide(lock)
    return made


@pytest.fixture(scope="module")
def client_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT / "client", tmp_path_factory.mktemp("client-wheel"))


@pytest.fixture(scope="module")
def service_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("service-wheel"))


@pytest.fixture(scope="module")
def client_alone(client_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = empty(tmp_path_factory.mktemp("client") / "environment", "client")
    assert {name.partition("-")[0] for name in made.install(client_wheel)} == {"retort"}
    return made


def test_the_client_alone_uses_a_service(client_alone: Environment, service: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(TINY))
    submitted = client_alone.run("retort", "submit", "--spec", str(spec), "--watch", url=service)
    assert submitted.returncode == 0, submitted.stderr
    job_id = submitted.stdout.split()[0]
    used = client_alone.run("python", "-c", USE, job_id, url=service, cwd=tmp_path)
    assert used.stdout.split()[::2] == ["succeeded", "succeeded"], used.stderr
    assert (tmp_path / "files" / "model.safetensors").stat().st_size > 0


@pytest.mark.parametrize("command", [["retort", "up"], ["retort", "settings"], ["python", "-m", "retort.demo"]])
def test_the_client_alone_says_how_to_get_the_service(client_alone: Environment, command: list[str]) -> None:
    done = client_alone.run(*command)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "only the client is installed" in done.stderr and "hint: " in done.stderr


def test_the_client_alone_is_typed_and_imports_nothing_of_the_service(client_alone: Environment) -> None:
    assert (client_alone.packages / "retort" / "py.typed").is_file()
    names = "('api', 'worker', 'core', 'store', 'migrations', 'pydantic', 'torch', 'numpy')"
    code = f"import sys, retort.cli; sys.exit(any(name in sys.modules for name in {names}))"
    assert client_alone.run("python", "-c", code).returncode == 0


def test_the_service_names_no_command_that_it_does_not_bring(
    service_wheel: Path, client_wheel: Path, tmp_path: Path
) -> None:
    made = empty(tmp_path / "environment", "embedded")
    brought = {name for name in made.install(service_wheel) if not name.endswith(".dist-info")}
    assert brought == {"api", "core", "migrations", "store", "web", "worker"}
    assert not (made.folder / "bin" / "retort").exists()
    for part in ("api", "core"):
        assert made.run("python", "-m", part, "--help").returncode == 0
    made.install(client_wheel)
    command = [str(made.folder / "bin" / "retort"), "up", "--port", "0", "--data", "data"]
    up = subprocess.Popen(command, env=environment(), cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert up.stdout is not None
    line = up.stdout.readline()
    up.send_signal(signal.SIGTERM)
    assert up.wait(60) == 0
    assert line.startswith(READY)


def test_the_service_without_its_libraries_names_the_extra_that_brings_them(
    service_wheel: Path, client_wheel: Path, tmp_path: Path
) -> None:
    made = empty(tmp_path / "environment", "client")  # pydantic is not among them
    made.install(service_wheel)
    made.install(client_wheel)
    engine = made.run("python", "-m", "core", "--dataset", "builtin:digits", "--student", "nano")
    assert engine.returncode == 1
    assert "Traceback" not in engine.stderr and "pip install '.[engine]'" in engine.stderr
    up = made.run("retort", "up")
    assert up.returncode == 1
    assert "needs libraries that are not installed: alembic, celery, fastapi" in up.stderr


def test_the_extra_embedded_brings_the_client_of_the_same_checkout(service_wheel: Path, tmp_path: Path) -> None:
    made = empty(tmp_path / "environment", "client")
    made.install(service_wheel)
    (facts,) = made.packages.glob("retort_service-*.dist-info/METADATA")
    required = HeaderParser().parsestr(facts.read_text()).get_all("Requires-Dist", [])
    asked = [one.partition(" ; ") for one in required if re.match(r"retort\s", one)]
    assert {requirement for requirement, _, _ in asked} == {f"retort @ {(ROOT / 'client').as_uri()}"}
    assert "extra == 'embedded'" in [condition for _, _, condition in asked]
