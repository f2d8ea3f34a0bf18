"""A second domain: with class folders the student is measured there too; a flat folder of images is enough to adapt."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.data.dataset import open_unlabelled
from core.data.readers import builtin
from core.policy import Policy
from core.spec import DatasetSpec
from core.system.workspace import Workspace
from tests.core.conftest import Ran

PER_CLASS = 6


@pytest.fixture(scope="module")
def negatives() -> Any:
    """{class: PNG files} of digits in negative."""
    listing = builtin.read("digits")
    images = {str(digit): [] for digit in range(10)}
    for record in listing.records:
        if len(images[record.label]) < PER_CLASS:
            file = io.BytesIO()
            Image.fromarray(255 - listing.read(record.key)).save(file, "PNG")
            images[record.label].append(file.getvalue())
    return images


@pytest.fixture
def flat(negatives: Any, tmp_path: Path) -> Any:
    folder = tmp_path / "shots"
    folder.mkdir()
    for label, files in negatives.items():
        for number, content in enumerate(files):
            (folder / f"{label}-{number}.png").write_bytes(content)
    return folder


@pytest.fixture
def labelled(negatives: Any, tmp_path: Path) -> Any:
    for label, files in negatives.items():
        folder = tmp_path / "labelled" / label
        folder.mkdir(parents=True)
        for number, content in enumerate(files):
            (folder / f"{number}.png").write_bytes(content)
    return tmp_path / "labelled"


def adapted(run_job: Any, inputs: Any, target: Any) -> Any:
    ran = run_job(
        {
            "teacher": "job:job_digits",
            "dataset": {"uri": "builtin:digits", "target_uri": target.as_uri()},
            "student": "cifar/resnet8",
            "method": "kd_uda",
            "training": {"max_steps": 4, "batch_size": 32, "image_size": 8, "devices": "cpu"},
            "exports": ["safetensors"],
        },
        inputs=inputs,
    )
    assert ran.error is None, ran.failure
    return ran.result


def test_with_class_folders_everything_is_measured_on_the_second_domain_too(
    run_job: Callable[..., Ran], digits_teacher: Path, labelled: Any
) -> None:
    result = adapted(run_job, digits_teacher, labelled)
    assert 0 <= result.metrics["target"]["top1"] <= 1
    assert 0 <= result.teacher["target"]["top1"] <= 1


def test_a_flat_folder_is_adapted_to_and_not_measured(
    run_job: Callable[..., Ran], digits_teacher: Path, flat: Any
) -> None:
    result = adapted(run_job, digits_teacher, flat)
    assert "target" not in result.metrics and "target" not in result.teacher
    assert result.metrics["steps"] == 4


def test_all_images_of_a_flat_folder_train(flat: Any, negatives: Any, tmp_path: Path) -> None:
    source = open_unlabelled(DatasetSpec(uri=flat.as_uri()), Workspace(tmp_path, tmp_path / "cache", None, Policy()))
    dataset = source.decode(8)
    assert (len(dataset.train.labels), len(dataset.validation.labels), len(dataset.test.labels)) == (60, 0, 0)
    first = np.asarray(Image.open(io.BytesIO(negatives["0"][0])))
    assert dataset.train.names[0] == "0-0.png"
    assert np.array_equal(dataset.train.images[0, 0].numpy(), first)


def test_what_has_classes_is_no_flat_folder(labelled: Any, tmp_path: Path) -> None:
    (labelled / "stray.png").write_bytes((labelled / "0/0.png").read_bytes())
    for uri in (labelled.as_uri(), (labelled / "0").as_uri(), "builtin:digits"):
        spec = DatasetSpec(uri=uri)
        source = open_unlabelled(spec, Workspace(tmp_path, tmp_path / "cache", None, Policy()))
        assert (source is None) == (uri != (labelled / "0").as_uri())
