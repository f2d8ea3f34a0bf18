"""`retort weights` fills the shelf of this machine's installation, and a job of `retort up` would find it there."""

from pathlib import Path

import pytest
import torch
from running import retort

from core.networks import zoo

NAME = "tensorflow/mobilenet_v1_025"

pytestmark = pytest.mark.slow


@pytest.fixture
def given(tmp_path: Path) -> str:
    torch.save(zoo.build(NAME).module.state_dict(), tmp_path / "given.pt")
    return str(tmp_path / "given.pt")


def test_weights_are_added_listed_and_removed(tmp_path: Path, given: str) -> None:
    data = ("--data", str(tmp_path / "data"))
    added = retort("weights", "add", NAME, given, *data, "--json").json
    assert (tmp_path / "data/weights/files" / f"{added['sha256']}.safetensors").is_file()
    assert [row["architecture"] for row in retort("weights", "list", *data, "--json").json] == [NAME]
    assert NAME in retort("weights", "list", *data).out
    assert retort("weights", "remove", NAME, *data).code == 0
    assert retort("weights", "list", *data, "--json").json == []


def test_what_is_refused_says_why(tmp_path: Path, given: str) -> None:
    data = ("--data", str(tmp_path / "data"))
    refused = retort("weights", "add", "tensorflow/mobilenet_v1_050", given, *data)
    assert refused.code == 2 and "given.pt" in refused.err and "Traceback" not in refused.err
    misspelt = retort("weights", "add", "tensorflow/mobilenet_v1_026", given, *data)
    assert misspelt.code == 2 and NAME in misspelt.err
    assert retort("weights", "remove", NAME, *data).code == 2
