"""Compiled once, kept, refused with a reason where that cannot be."""

import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from compiling import needs_kernels

from core.kernels import KernelsUnavailable, library
from core.kernels.agreement import disagreement

pytestmark = needs_kernels


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[Any]:
    """A process remembers the kernels of each cache."""
    library.load.cache_clear()
    yield
    library.load.cache_clear()


def compiler_that(folder: Path, does: Any) -> Any:
    """A PATH with nothing but a C++ compiler that does so."""
    folder.mkdir()
    program = folder / "c++"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return os.fspath(folder)


def files(cache: Any) -> Any:
    return [path.name for path in (cache / "kernels").iterdir()] if (cache / "kernels").exists() else []


def test_it_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library.load(tmp_path)
    (name,) = files(tmp_path)
    written = (tmp_path / "kernels" / name).stat().st_mtime_ns
    library.load.cache_clear()
    monkeypatch.setenv("PATH", "")  # a second process needs no compiler
    assert disagreement(library.load(tmp_path)) is None
    assert files(tmp_path) == [name] and (tmp_path / "kernels" / name).stat().st_mtime_ns == written


def test_it_runs_on_the_openmp_library_that_torch_has(tmp_path: Path) -> None:
    def loaded() -> Any:
        with open("/proc/self/maps") as maps:
            return {line.split()[-1] for line in maps if "omp" in line.split()[-1].rpartition("/")[2]}

    before = loaded()
    library.load(tmp_path)
    assert loaded() == before


def test_other_sources_or_flags_are_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library.load(tmp_path)
    monkeypatch.setattr(library, "FLAGS", (*library.FLAGS, "-g"))
    library.load.cache_clear()
    library.load(tmp_path)
    assert len(files(tmp_path)) == 2


def test_without_a_compiler_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(KernelsUnavailable, match=r"no C\+\+ compiler is installed \(c\+\+, g\+\+, clang\+\+\)"):
        library.load(tmp_path)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("echo 'filters.cpp:1: error: no such option' >&2; exit 1", "c++ failed: filters.cpp:1: error: no such option"),
        ("exit 3", "c++ failed: exit status 3"),
    ],
)
def test_what_a_compiler_complains_of_is_told_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, said: str
) -> None:
    monkeypatch.setenv("PATH", compiler_that(tmp_path / "bin", does))
    with pytest.raises(KernelsUnavailable) as caught:
        library.load(tmp_path)
    assert said in str(caught.value)
    assert files(tmp_path) == []


def test_a_compiler_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", compiler_that(tmp_path / "bin", f"exec {shutil.which('sleep')} 60"))
    monkeypatch.setattr(library, "TIMEOUT_SECONDS", 0.2)
    started = time.monotonic()
    with pytest.raises(KernelsUnavailable, match=r"took more than 0\.2 seconds"):
        library.load(tmp_path)
    assert time.monotonic() - started < 30
    assert files(tmp_path) == []


def test_a_damaged_file_is_refused_and_made_anew_the_next_time(tmp_path: Path) -> None:
    library.load(tmp_path / "elsewhere")
    (name,) = files(tmp_path / "elsewhere")
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / name).write_bytes(b"\x7fELF, but no more")
    with pytest.raises(KernelsUnavailable, match="cannot be loaded"):
        library.load(tmp_path)
    assert disagreement(library.load(tmp_path)) is None


def test_a_kernel_that_computes_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "disagreement", lambda kernels: "batch norm")
    with pytest.raises(KernelsUnavailable, match="batch norm"):
        library.load(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "kernels").write_text("a file stands where the folder should be")
    with pytest.raises(KernelsUnavailable, match="cannot be compiled"):
        library.load(tmp_path)
