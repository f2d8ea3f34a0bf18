"""What the teacher says of images is found out once, and is what the teacher says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.data.augment import Augmenter
from core.data.dataset import Split
from core.files.result_cache import FOLDER, ResultCache
from core.networks.zoo import build
from core.system.device import Arithmetic
from core.teachers import logits as teacher_view
from core.teachers.check import _answered
from core.teachers.logits import TeacherLogits

CPU = torch.device("cpu")
INDICES = torch.tensor([4, 0, 2])
AUGMENTER = Augmenter("light", 32)


def teacher(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return build("cifar/resnet8", 5).eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (20, 3, 36, 36), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A new job's view; `view.asked` are the images that networks were really asked about."""
    asked = []
    original = teacher_view.predict

    def predict(network: Any, images: Any, **arguments: Any) -> Any:
        asked.append(images)
        return original(network, images, **arguments)

    monkeypatch.setattr(teacher_view, "predict", predict)

    def make(network: Any, indices: Any = INDICES) -> TeacherLogits:
        return TeacherLogits(network, indices, CPU, ResultCache(tmp_path))

    make.asked = asked
    return make


def test_it_is_what_the_teacher_says_of_the_central_crop(view: Any, images: Any) -> None:
    network = teacher()
    with torch.no_grad():
        meant = network(images[:, :, 2:34, 2:34].float() / 255)[:, INDICES]
    for _ in range(2):
        said = view(network).logits(images, AUGMENTER)
        assert said.dtype == torch.float32
        torch.testing.assert_close(said, meant, rtol=1e-4, atol=1e-4)


def test_a_later_job_need_not_ask(view: Any, images: Any) -> None:
    first = view(teacher()).of_split(images, AUGMENTER)
    later = view(teacher())
    again = later.of_split(images.clone(), AUGMENTER)
    assert torch.equal(first, again) and len(view.asked) == 1
    again.add_(1)  # its own memory
    assert torch.equal(view(teacher()).of_split(images, AUGMENTER), first)


def test_other_questions_are_asked(view: Any, images: Any) -> None:
    view(teacher()).logits(images, AUGMENTER)
    view(teacher(seed=1)).logits(images, AUGMENTER)
    view(teacher(), INDICES.flip(0)).logits(images, AUGMENTER)
    view(teacher()).logits(images.flip(0), AUGMENTER)
    view(teacher()).logits(images, Augmenter("light", 36))
    view(teacher()).logits(images, AUGMENTER, Arithmetic(CPU, "bf16"))
    normalized = teacher()
    view(normalized.with_input(replace(normalized.input, mean=(0.1, 0.2, 0.3)))).logits(images, AUGMENTER)
    assert len(view.asked) == 7
    view(teacher()).logits(images, Augmenter("strong", 32))  # its test views are the same
    assert len(view.asked) == 7


def test_a_damaged_answer_is_asked_for_again(
    view: Any, images: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = view(teacher()).logits(images, AUGMENTER)
    (path,) = (tmp_path / FOLDER).iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    assert torch.equal(view(teacher()).logits(images, AUGMENTER), said)
    assert len(view.asked) == 2
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("indices", [torch.tensor([3, 11, 5]), torch.arange(20).flip(0)])
def test_the_check_takes_the_answer_of_the_right_image(view: Any, images: Any, indices: Any) -> None:
    """In any order, and of a whole split too."""
    seen = view(teacher())
    labels = seen.logits(images, AUGMENTER).argmax(dim=1)
    labels[::4] = (labels[::4] + 1) % 3
    split = Split(images, labels, tuple(map(str, range(20))))
    seen_of_them = _answered(seen, split, indices, augmenter=AUGMENTER, arithmetic=Arithmetic(CPU, "fp32"))
    right = seen_of_them.answers == seen_of_them.labels
    assert right.tolist() == [place % 4 != 0 for place in indices.tolist()]
