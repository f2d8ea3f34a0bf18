"""The operator's shelf: what is added is found by name, what does not fit is refused, and nothing is left half-done."""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.errors import ArchitectureUnknown, RetortError, TeacherLoadFailed, UserError
from core.networks import zoo
from core.networks.shelving import shelve
from core.networks.sizing import choose
from core.networks.teacher import load_teacher
from core.networks.weights import shelf as shelves
from core.networks.weights.shelf import Entry, Shelf
from core.policy import Policy
from core.spec import StudentSpec, TeacherSpec
from core.system.workspace import Workspace

NAME = "tensorflow/mobilenet_v1_025"
MOBILENET = "tensorflow/mobilenet_v1_075"
SIZES: tuple[Literal["small", "medium"], ...] = ("small", "medium")
WEIGHTS = Path(__file__).resolve().parents[5] / "shared" / "data" / "weights"


def state_of(architecture: str, num_classes: int | None = None, seed: int = 1) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return zoo.build(architecture, num_classes).module.state_dict()


def written(path: Path, state: dict[str, torch.Tensor]) -> Path:
    save_file({name: value.contiguous() for name, value in state.items()}, path)
    return path


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return Policy(weights_shelf=str(tmp_path / "shelf"))


@pytest.fixture
def shelf(policy: Policy) -> Shelf:
    return Shelf(str(policy.weights_shelf), None, policy)


def put(shelf: Shelf, policy: Policy, tmp_path: Path, architecture: str = NAME, **how: Any) -> Entry:
    path = written(tmp_path / "given.safetensors", state_of(architecture))
    return shelve(shelf, architecture, path, policy=policy, **how)[0]


def test_what_is_added_is_built_as_published(shelf: Shelf, policy: Policy, tmp_path: Path) -> None:
    entry = put(shelf, policy, tmp_path)
    network = zoo.build(NAME, pretrained=True, policy=policy)
    expected = load_file(tmp_path / "given.safetensors")
    assert all(torch.equal(value, expected[name]) for name, value in network.module.state_dict().items())
    assert shelf.entries() == (entry,)
    assert entry.source_sha256 == hashlib.sha256((tmp_path / "given.safetensors").read_bytes()).hexdigest()
    kept = tmp_path / "shelf/files" / f"{entry.sha256}.safetensors"
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == entry.sha256


def test_a_teacher_of_the_shelf_has_the_librarys_class_names(shelf: Shelf, policy: Policy, tmp_path: Path) -> None:
    put(shelf, policy, tmp_path)
    workspace = Workspace(tmp_path, tmp_path / "cache", None, policy)
    teacher = load_teacher(TeacherSpec(architecture=NAME), workspace)
    assert teacher.classes is not None and teacher.classes[309] == "bee"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "size"),
    [("timm/test_resnet", None), ("timm/test_vit", 96), ("torchvision/squeezenet1_1", 64), ("cifar/resnet8", None)],
)
def test_every_library_builds_from_the_shelf_at_any_size(
    architecture: str, size: int | None, shelf: Shelf, policy: Policy, tmp_path: Path
) -> None:
    put(shelf, policy, tmp_path, architecture)
    network = zoo.build(architecture, image_size=size, pretrained=True, policy=policy)
    expected = load_file(tmp_path / "given.safetensors")
    same = [torch.equal(value, expected[name]) for name, value in network.module.state_dict().items()]
    assert same.count(False) == (architecture == "timm/test_vit")  # the position embedding, resized


def test_a_tag_that_is_the_default_is_the_name_without_it(shelf: Shelf, policy: Policy, tmp_path: Path) -> None:
    tagged = next(name for name in ("test_resnet.r160_in1k",) if zoo.is_known(f"timm/{name}"))
    path = written(tmp_path / "given.safetensors", state_of("timm/test_resnet"))
    assert shelve(shelf, f"timm/{tagged}", path, policy=policy)[0].architecture == "timm/test_resnet"
    zoo.build(f"timm/{tagged}", pretrained=True, policy=policy)


def test_a_damaged_file_is_refused_by_name(shelf: Shelf, policy: Policy, tmp_path: Path) -> None:
    entry = put(shelf, policy, tmp_path)
    kept = tmp_path / "shelf/files" / f"{entry.sha256}.safetensors"
    content = bytearray(kept.read_bytes())
    content[-5] ^= 1
    kept.write_bytes(content)
    with pytest.raises(TeacherLoadFailed) as caught:
        zoo.build(NAME, pretrained=True, policy=policy)
    assert NAME in caught.value.message and entry.sha256 in caught.value.message
    kept.unlink()
    with pytest.raises(TeacherLoadFailed, match=NAME):
        zoo.build(NAME, pretrained=True, policy=policy)


@pytest.mark.parametrize("record", ["", "{}", "[1]", '{"architecture": "x"}'])
def test_a_damaged_record_is_refused_by_name_and_can_be_removed(
    record: str, shelf: Shelf, policy: Policy, tmp_path: Path
) -> None:
    put(shelf, policy, tmp_path)
    (tmp_path / "shelf/records" / f"{NAME}.json").write_text(record)
    with pytest.raises(TeacherLoadFailed, match=NAME):
        shelf.entries()
    shelf.remove(NAME)
    assert shelf.entries() == ()


@pytest.mark.parametrize(("architecture", "num_classes", "told"), [
    (NAME, 7, "7 outputs"), ("cifar/resnet8", 1000, "does not fit"),
])  # fmt: skip
def test_what_does_not_fit_leaves_the_shelf_as_it_was(
    architecture: str, num_classes: int | None, told: str, shelf: Shelf, policy: Policy, tmp_path: Path
) -> None:
    before = put(shelf, policy, tmp_path)
    path = written(tmp_path / "other.safetensors", state_of(architecture, num_classes))
    with pytest.raises(TeacherLoadFailed, match=told):
        shelve(shelf, NAME, path, policy=policy)
    assert shelf.entries() == (before,)


@pytest.mark.parametrize("name", ["tensorflow/mobilenet_v1_026", "cifar/resnet8+dho", "timm/../x", "resnet8"])
def test_a_name_that_is_no_network_is_refused(name: str, shelf: Shelf, policy: Policy, tmp_path: Path) -> None:
    with pytest.raises(ArchitectureUnknown):
        shelve(shelf, name, tmp_path / "x", policy=policy)


def test_an_addition_that_is_interrupted_before_its_record_adds_nothing(
    shelf: Shelf, policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = put(shelf, policy, tmp_path)
    path = written(tmp_path / "new.safetensors", state_of(NAME, seed=2))
    whole = shelves.write_atomically

    def fails_at_the_record(target: Path, content: Any) -> Path:
        if target.suffix == ".json":
            raise KeyboardInterrupt
        return whole(target, content)

    monkeypatch.setattr(shelves, "write_atomically", fails_at_the_record)
    with pytest.raises(KeyboardInterrupt):
        shelve(shelf, NAME, path, policy=policy)
    monkeypatch.undo()
    assert shelf.entries() == (before,)
    assert shelf.file(before).is_file()
    # What the interruption left is removed by a later addition.
    left = [one for one in (tmp_path / "shelf/files").iterdir() if one.stem != before.sha256]
    assert len(left) == 1
    later = time.time() + 2 * shelves.ABANDONED_SECONDS
    monkeypatch.setattr(time, "time", lambda: later)
    put(shelf, policy, tmp_path)
    assert [one.stem for one in (tmp_path / "shelf/files").iterdir()] == [before.sha256]


def test_what_is_removed_is_gone_and_an_unknown_name_lists_what_is_there(
    shelf: Shelf, policy: Policy, tmp_path: Path
) -> None:
    entry = put(shelf, policy, tmp_path)
    with pytest.raises(UserError, match=NAME):
        shelf.remove("tensorflow/mobilenet_v1_026")
    shelf.remove(NAME)
    assert not (tmp_path / "shelf/files" / f"{entry.sha256}.safetensors").exists()
    with pytest.raises(RetortError, match="no published weights"):
        zoo.build(NAME, pretrained=True, policy=policy)


@pytest.mark.slow
def test_a_bucket_is_read_as_a_folder_is(tmp_path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    local = Shelf(str(policy.weights_shelf), None, policy)
    entry = put(local, policy, tmp_path)
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "shelf"), "/models", recursive=True)
    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda uri, **_: (memory, "/models" + uri.partition("/models")[2]))
    away = Policy(weights_shelf="s3://bucket/models")
    shelf = Shelf("s3://bucket/models", tmp_path / "cache", away)
    assert shelf.entries() == (entry,)
    assert hashlib.sha256(shelf.file(entry).read_bytes()).hexdigest() == entry.sha256
    zoo.build(NAME, pretrained=True, policy=away, cache=tmp_path / "cache")
    with pytest.raises(RetortError, match="bucket"):
        put(shelf, away, tmp_path)


@pytest.mark.slow
def test_the_command_adds_lists_and_removes(tmp_path: Path) -> None:
    path = tmp_path / "given.pt"
    torch.save(state_of(NAME), path)

    def told(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "core.process.shelf", *map(str, arguments), "--shelf", str(tmp_path / "shelf")]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert json.loads(told("add", NAME, path).stdout)["architecture"] == NAME
    assert [row["source"] for row in json.loads(told("list").stdout)] == ["given.pt"]
    refused = told("add", NAME, path, "--no-pickles")
    assert refused.returncode == 3 and "given.pt" in refused.stderr
    assert told("remove", NAME).returncode == 0
    assert json.loads(told("list").stdout) == []


@pytest.mark.data
@pytest.mark.slow
def test_real_weights_make_small_and_medium_students(shelf: Shelf, policy: Policy, tmp_path: Path) -> None:
    if not WEIGHTS.is_dir():
        pytest.skip(f"{WEIGHTS} is absent: no published weights to test with")
    shelve(shelf, "timm/tf_efficientnet_lite0", WEIGHTS / "tf_efficientnet_lite0_imagenet1k.safetensors", policy=policy)
    shelve(shelf, MOBILENET, WEIGHTS / "mobilenet_v1_075_224_imagenet1k.pt", policy=policy)
    chosen = [
        choose(
            StudentSpec(size=size),
            teacher_architecture=None,
            image_size=224,
            num_classes=9,
            has_weights=lambda architecture: shelf.entry(architecture) is not None,
        )[0]
        for size in SIZES
    ]
    assert chosen == [MOBILENET, "timm/tf_efficientnet_lite0"]
