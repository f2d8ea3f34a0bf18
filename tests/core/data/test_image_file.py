"""Images in a file answer slices and indices as a tensor of the same images does."""

import errno
import os
from pathlib import Path

import pytest
import torch

from core.data.image_file import ImageFile


@pytest.fixture
def images() -> torch.Tensor:
    """uint8 (9, 3, 4, 4)."""
    return torch.randint(0, 256, (9, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def path(tmp_path: Path, images: torch.Tensor) -> Path:
    """A file of those images."""
    path = tmp_path / "pixels"
    path.write_bytes(images.numpy().tobytes())
    return path


SLICES = [slice(None), slice(2, 5), slice(-3, None), slice(None, 100), slice(5, 2), slice(0, 9, 4), slice(20, 30)]


@pytest.mark.parametrize("which", SLICES, ids=str)
def test_slices(path: Path, images: torch.Tensor, which: slice) -> None:
    assert torch.equal(ImageFile(path, 9, 4)[which], images[which])


@pytest.mark.parametrize("indices", [[], [8], [3, 0, 3, 7]], ids=str)
def test_indices(path: Path, images: torch.Tensor, indices: list[int]) -> None:
    which = torch.tensor(indices, dtype=torch.int64)
    assert torch.equal(ImageFile(path, 9, 4)[which], images[which])


def test_a_part_counts_from_its_own_beginning(path: Path, images: torch.Tensor) -> None:
    file, some = ImageFile(path, 9, 4), torch.tensor([1, 0])
    part = file.part(2, 8).part(1, 4)
    assert torch.equal(part[some], images[3:6][some])
    assert torch.equal(part[1:], images[4:6])
    assert (len(part), tuple(part.shape), part.nbytes) == (3, (3, 3, 4, 4), images[3:6].nbytes)
    for beyond in (-1, 3):
        with pytest.raises(IndexError, match=f"no image {beyond} among 3"):
            part[torch.tensor([0, beyond])]


def test_what_was_read_is_the_readers_own(path: Path, images: torch.Tensor) -> None:
    file = ImageFile(path, 9, 4)
    file[:].zero_()
    assert torch.equal(file[:], images)


def test_the_file_may_be_evicted_meanwhile(path: Path, images: torch.Tensor) -> None:
    part = ImageFile(path, 9, 4).part(0, 9)
    path.unlink()
    assert torch.equal(part[:], images)


def test_a_file_that_ends_early_is_an_error(path: Path) -> None:
    os.truncate(path, 3 * 48 + 10)
    file = ImageFile(path, 9, 4)
    assert len(file[:3]) == 3
    for which in (slice(2, 5), torch.tensor([3]), torch.tensor([8])):
        with pytest.raises(OSError, match="ended early"):
            file[which]


def test_reads_that_bring_less_than_asked_for_go_on(
    path: Path, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.preadv
    monkeypatch.setattr(os, "preadv", lambda file, into, place: whole(file, [into[0][:7]], place))
    assert torch.equal(ImageFile(path, 9, 4)[1:8], images[1:8])


def test_a_failing_disk_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    file = ImageFile(path, 9, 4)
    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(OSError, match="Input/output error"):
        file[torch.tensor([0])]
