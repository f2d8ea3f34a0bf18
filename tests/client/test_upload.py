"""`retort upload` against the real service: a folder becomes a dataset, also over a connection that breaks, and a job
trains on it.
"""

import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from retort import Retort, dataset_calls
from retort.cli import main
from retort.errors import Refused

pytestmark = pytest.mark.slow


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve noisy images of each of two classes, one darker than the other."""
    draw = np.random.default_rng(7)
    for name, level in (("dark", 60), ("light", 190)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            pixels = np.clip(draw.normal(level, 30, (16, 16, 3)), 0, 255).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


class Breaking(httpx.HTTPTransport):
    """Loses the answer of every second PATCH, and sends nothing of every third one."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH":
            self.patches += 1
            if self.patches % 3 == 0:
                raise httpx.WriteError("broken before the bytes")
            answer = super().handle_request(request)
            if self.patches % 2 == 0:
                raise httpx.ReadError("broken after the bytes")
            return answer
        return super().handle_request(request)


def test_an_upload_goes_on_where_the_connection_broke(
    service: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_calls, "PART_BYTES", 4000)
    seen: list[tuple[int, int]] = []
    with Retort(service, transport=Breaking(), patience_seconds=0) as retort:
        dataset = retort.upload(photos, on_bytes=lambda *progress: seen.append(progress))
    assert (dataset["state"], dataset["name"], dataset["filename"]) == ("ready", "photos", "photos.tar")
    assert seen[-1] == (dataset["size_bytes"], dataset["size_bytes"])
    assert [sent for sent, _ in seen] == sorted({sent for sent, _ in seen}), "no byte is sent twice"


def test_the_same_folder_is_the_same_dataset_and_a_job_trains_on_it(
    service: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = []
    for _ in range(2):
        assert main(["upload", str(photos), "--url", service]) == 0
        printed.append(capsys.readouterr().out.strip())
    assert printed[0] == printed[1] and printed[0].startswith("dataset:ds_")
    training: dict[str, Any] = {"max_steps": 4, "image_size": 16}
    with Retort(service) as retort:
        job = retort.submit(dataset=printed[0], student="cifar/resnet8", method="scratch", training=training)
        job.wait()
        assert job.state == "succeeded", job.view["error"]
        dataset_id = printed[0].removeprefix("dataset:")
        assert [one["id"] for one in retort.datasets()].count(dataset_id) == 1
        assert main(["datasets", "delete", dataset_id, "--url", service]) == 0
        with pytest.raises(Refused, match="DATASET_NOT_FOUND"):
            retort.dataset(dataset_id)


def test_for_programs_it_prints_json(service: str, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upload", str(photos), "--name", "Shelf", "--url", service, "--json"]) == 0
    dataset = json.loads(capsys.readouterr().out)
    assert dataset["state"] == "ready"
    assert main(["upload", str(photos / "nothing"), "--url", service]) == 2
    assert "nothing" in capsys.readouterr().err
