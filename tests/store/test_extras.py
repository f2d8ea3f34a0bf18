"""The programs of the service where the libraries of an extra are not installed: one line instead of a traceback."""

import subprocess
import sys

import pytest

WITHOUT = "import runpy, sys; sys.modules[sys.argv.pop(1)] = None; runpy.run_module(sys.argv[1], run_name='__main__')"


@pytest.mark.parametrize(
    ("module", "library", "extra"),
    [("api", "uvicorn", "api"), ("worker", "celery", "worker"), ("migrations", "alembic", "store")],
)
def test_the_missing_package_and_its_extra_are_named(module: str, library: str, extra: str) -> None:
    ran = subprocess.run([sys.executable, "-c", WITHOUT, library, module], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert repr(library) in line and f"retort-service[{extra}]" in line


def test_a_missing_module_of_our_own_is_no_missing_extra() -> None:
    command = [sys.executable, "-c", WITHOUT, "api.app", "api"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 1 and "Traceback" in ran.stderr
