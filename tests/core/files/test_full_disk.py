"""A full disk is DISK_FULL, whichever library writes, and leaves nothing half-written."""

import errno
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core.errors import DiskFull, HostFault, InternalError, from_exception
from core.files.atomic import atomic_path, is_full
from core.process.run import as_retort_error
from core.training.checkpoint import CheckpointFolder

BIG = {"weights": torch.zeros(4 << 20)}  # twice the small disk


def with_sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES (zeroblob(16000000))")


WRITERS: dict[str, Callable[[Path], object]] = {
    "torch": lambda path: torch.save(BIG, path),
    "torch to a file": lambda path: torch.save(BIG, path.open("wb")),
    "safetensors": lambda path: save_file(BIG, path),
    "python": lambda path: path.write_bytes(bytes(16 << 20)),
    "numpy": lambda path: BIG["weights"].numpy().tofile(path),
    "sqlite": with_sqlite,
}


@pytest.mark.servers
@pytest.mark.parametrize("writer", WRITERS)
def test_every_writer_says_disk_full(small_disk: Path, writer: str) -> None:
    with pytest.raises(DiskFull), atomic_path(small_disk / "result") as temporary:
        WRITERS[writer](temporary)
    assert list(small_disk.iterdir()) == []
    assert not is_full(small_disk)


@pytest.mark.servers
def test_a_checkpoint_on_a_full_disk_leaves_the_one_before(small_disk: Path) -> None:
    folder = CheckpointFolder(small_disk)
    folder.save({"step": 1}, 1)
    with pytest.raises(DiskFull):
        folder.save(BIG, 2)
    assert folder.load() == {"step": 1}
    folder.save({"step": 3}, 3)
    assert folder.load() == {"step": 3}


def test_an_error_of_the_code_is_none_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shape"), atomic_path(tmp_path / "x"):
        raise RuntimeError("shape mismatch")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.EDQUOT, "quota"), DiskFull),
        (ValueError("os error 28: No space left on device"), DiskFull),
        (OSError(errno.EMFILE, "too many"), HostFault),
        (RuntimeError("can't start new thread"), HostFault),
        (OSError(errno.EIO, "i/o"), HostFault),
        (ValueError("x"), InternalError),
    ],
)
def test_what_an_error_says_of_the_host(error: Exception, kind: type) -> None:
    assert type(from_exception(error)) is kind
    wrapped = ValueError("outer")
    wrapped.__cause__ = error
    assert type(from_exception(wrapped)) is kind


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("CUDA error: uncorrectable ECC error encountered", "DEVICE_FAILED"),
        ("CUDA error: all CUDA-capable devices are busy or unavailable", "DEVICE_FAILED"),
        ("Found no NVIDIA driver on your system.", "DEVICE_FAILED"),
        ("CUDA out of memory. Tried to allocate 2.00 GiB", "OUT_OF_MEMORY"),
        ("CUDA error: device-side assert triggered", "INTERNAL"),
        ("CUDA error: an illegal memory access was encountered", "INTERNAL"),
        ("an unknown error of ours", "INTERNAL"),
    ],
)
def test_a_broken_gpu_is_told_from_a_defect(text: str, code: str) -> None:
    assert as_retort_error(RuntimeError(text)).code == code
