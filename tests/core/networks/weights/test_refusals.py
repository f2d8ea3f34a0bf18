"""Files that hold no weights that are read: each is named, with the way out, and nothing in it is executed."""

import enum
import gzip
import io
import json
import pickle
import sys
import tarfile
import types
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save, save_file

from core.errors import TeacherLoadFailed
from core.networks.weights.fit import fit
from core.networks.weights.folder import weights_in
from core.networks.weights.reading import read_weights
from core.networks.zoo import build
from core.policy import Policy

POINTER = "/teacher/weights"
NO_PICKLES = Policy(pickled_weights=False)


def refusal(path: Path, policy: Policy | None = None) -> TeacherLoadFailed:
    with pytest.raises(TeacherLoadFailed) as caught:
        read_weights(path, policy=policy or Policy(), pointer=POINTER)
    error = caught.value
    assert "\x1b" not in error.message + error.hint
    assert "add_safe_globals" not in error.message + error.hint
    assert path.name in error.message
    assert error.hint
    assert len(error.message) < 400
    return error


def class_of(module: str, name: str, base: type = object) -> type:
    """A class of a module that is gone when the file is read."""
    made = type(name, (base,), {"__module__": module})
    sys.modules.setdefault(module, types.ModuleType(module))
    setattr(sys.modules[module], name, made)
    return made


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    def save_to(content: object, **options: object) -> Path:
        path = tmp_path / "checkpoint.pth"
        torch.save(content, path, **options)
        return path

    return save_to


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old format"])
def test_the_class_of_an_unknown_object_is_named_with_a_conversion(saved: Callable[..., Path], zipped: bool) -> None:
    config = class_of("options_of_a_stranger", "Config")()
    config.lr = 0.1
    path = saved({"state_dict": {"a": torch.ones(2)}, "config": config}, _use_new_zipfile_serialization=zipped)
    del sys.modules["options_of_a_stranger"]
    error = refusal(path)
    assert "options_of_a_stranger.Config" in error.message
    assert "weights_only=False" in error.hint
    assert "trust" in error.hint


def test_at_most_a_few_of_many_classes_are_named(saved: Callable[..., Path]) -> None:
    values = {f"{number}": class_of("many_classes", f"Class{number}")() for number in range(9)}
    assert "Class2 and 6 more" in refusal(saved(values)).message


def test_an_enumeration_is_named(saved: Callable[..., Path]) -> None:
    kind = enum.Enum("Kind", "A B", module="kinds_of_a_stranger")
    sys.modules["kinds_of_a_stranger"] = types.ModuleType("kinds_of_a_stranger")
    sys.modules["kinds_of_a_stranger"].Kind = kind
    assert "kinds_of_a_stranger.Kind" in refusal(saved({"kind": kind.A, "a": torch.ones(2)})).message


def test_a_whole_model_is_named_with_the_way_to_its_state_dict(saved: Callable[..., Path]) -> None:
    error = refusal(saved(torch.nn.Sequential(torch.nn.Linear(2, 2))))
    assert "whole pickled model (torch.nn.modules." in error.message
    assert "state_dict()" in error.hint
    error = refusal(saved(build("cifar/resnet8", 5).module))
    assert "whole pickled model (core.networks.cifar." in error.message, "the class that is not torch's comes first"


class Bomb:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old format"])
@pytest.mark.parametrize("where", ["alone", "beside a state dict", "as a method of an allowed class"])
def test_nothing_is_executed(where: str, zipped: bool, saved: Callable[..., Path], tmp_path: Path) -> None:
    bomb = Bomb(tmp_path / "exploded")
    content = {"alone": bomb, "beside a state dict": {"a": torch.ones(1), "args": bomb}}.get(where, [bomb])
    error = refusal(saved(content, _use_new_zipfile_serialization=zipped))
    assert "getattr" in error.message or "Path.touch" in error.message
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["exec", "eval", "getattr", "__import__", "compile"])
def test_a_function_of_python_is_named_and_not_called(name: str, saved: Callable[..., Path]) -> None:
    class Call:
        def __reduce__(self) -> tuple[object, ...]:
            return getattr(__builtins__, name, None) or __builtins__[name], ("1/0",)

    assert f"builtins.{name}" in refusal(saved({"state_dict": Call()})).message


def test_a_stand_in_never_reaches_the_class_itself(saved: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("easydict")
    monkeypatch.setitem(sys.modules, "easydict", module)
    calls: list[object] = []

    class EasyDict(dict):
        def __setitem__(self, key: object, value: object) -> None:
            calls.append(key)
            super().__setitem__(key, value)

    EasyDict.__module__, EasyDict.__qualname__ = "easydict", "EasyDict"
    module.EasyDict = EasyDict
    path = saved({"cfg": EasyDict({"lr": 0.1}), "model": {"a": torch.ones(2)}})
    calls.clear()
    tensors, _ = read_weights(path, policy=Policy())
    assert list(tensors) == ["model.a"]
    assert calls == []


def test_another_pickle_protocol_is_named(saved: Callable[..., Path]) -> None:
    assert "protocol" in refusal(saved({"a": torch.ones(2)}, pickle_protocol=4)).message


def test_a_plain_pickle_is_named_with_its_classes(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"a": np.ones(3)}))
    assert "model.pkl" in refusal(tmp_path / "model.pkl").message
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"a": [1, 2]}))
    assert "plain pickle" in refusal(tmp_path / "model.pkl").message


def test_a_torchscript_archive_is_named(tmp_path: Path) -> None:
    module = torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2))
    torch.jit.save(module, tmp_path / "scripted.pt")
    error = refusal(tmp_path / "scripted.pt")
    assert "TorchScript" in error.message
    assert "torch.jit.load" in error.hint


def test_an_exported_program_is_named(tmp_path: Path) -> None:
    program = torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),))
    torch.export.save(program, tmp_path / "model.pt2")
    assert "torch.export" in refusal(tmp_path / "model.pt2").message


def a_zip(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return content.getvalue()


def a_tar() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.pth"))
    return content.getvalue()


def an_npz() -> bytes:
    content = io.BytesIO()
    np.savez(content, a=np.ones(2))
    return content.getvalue()


def an_onnx_model() -> bytes:
    graph = onnx.helper.make_graph([], "g", [], [])
    return onnx.helper.make_model(graph, producer_name="pytorch").SerializeToString()


def a_torch_file() -> bytes:
    content = io.BytesIO()
    torch.save({"a": torch.ones(1000)}, content)
    return content.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 46830571\n"
FOREIGN = {
    "empty": (b"", "empty"),
    "a web page": (b"\n<!DOCTYPE html><html><head><title>Google Drive - Virus scan", "web page"),
    "a page without doctype": (b"<html>\n<body>404</body></html>", "web page"),
    "a page that begins with a comment": (b"<!-- cached --><html lang='en'>", "web page"),
    "an answer of S3": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
    "an error in JSON": (b'{"error": "Repository not found"}', "Repository not found"),
    "git-lfs": (LFS, "git-lfs"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "HDF5"),
    "Keras": (a_zip("metadata.json", "config.json", "model.weights.h5"), "Keras"),
    "SavedModel": (a_zip("m/saved_model.pb", "m/variables/variables.index"), "SavedModel"),
    "Core ML": (a_zip("model.mlpackage/Manifest.json"), "Core ML"),
    "TensorFlow Lite": (b"\x1c\0\0\0TFL3" + b"\0" * 50, "TensorFlow Lite"),
    "ONNX": (an_onnx_model(), "ONNX"),
    "npz": (an_npz(), "numpy archive"),
    "npy": (b"\x93NUMPY\x01\0" + b"\0" * 50, "numpy array"),
    "a zip of weights": (a_zip("weights/model.pth", "README.md"), "zip archive (weights/model.pth, README.md)"),
    "tar": (a_tar(), "tar archive"),
    "gzip": (gzip.compress(a_torch_file()), "gzip"),
    "GGUF": (b"GGUF\x03\0\0\0", "GGUF"),
    "text": (b"the weights are on my drive", "text"),
    "an image": (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "PNG"),
    "bytes": (bytes(range(200, 256)) * 10, "no format that is known"),
    "zeros": (b"\0" * 500, "no format that is known"),
    "a zip cut short": (a_torch_file()[:600], "cut short"),
    "half of a zip": (a_torch_file()[: len(a_torch_file()) // 2], "cut short"),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("policy", [Policy(), NO_PICKLES], ids=["pickles", "no pickles"])
def test_a_file_of_another_kind_is_named(kind: str, policy: Policy, tmp_path: Path) -> None:
    content, told = FOREIGN[kind]
    (tmp_path / "teacher.pth").write_bytes(content)
    assert told in refusal(tmp_path / "teacher.pth", policy).message


def test_an_old_torch_file_cut_short_is_told_as_damaged(saved: Callable[..., Path]) -> None:
    path = saved({"a": torch.ones(1000)}, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-1000])
    assert "cut short" in refusal(path).message


@pytest.mark.parametrize("content", [{}, {"epoch": 3, "args": {"lr": 0.1}}, [1, 2], "text", {"state_dict": None}])
def test_a_file_without_tensors_says_what_is_in_it(content: object, saved: Callable[..., Path]) -> None:
    message = refusal(saved(content)).message
    assert "no state dict" in message
    for key in content if isinstance(content, dict) else ():
        assert key in message


def test_containers_that_hold_themselves_are_read_once(saved: Callable[..., Path]) -> None:
    loop: dict[str, object] = {"a": torch.ones(2)}
    loop["again"] = loop
    bomb: object = {"b": torch.ones(1)}
    for _ in range(40):
        bomb = [bomb, bomb]
    tensors, _ = read_weights(saved({"loop": loop, "bomb": bomb}), policy=Policy())
    assert list(tensors) == ["loop.a"]


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """The index of two safetensors files; the tensors count from 0."""
    files = {"model-00001-of-00002.safetensors": ["a", "b"], "model-00002-of-00002.safetensors": ["c"]}
    for name, keys in files.items():
        save_file({key: torch.full((2,), float(ord(key))) for key in keys}, tmp_path / name)
    weight_map = {key: name for name, keys in files.items() for key in keys}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 24}, "weight_map": weight_map}))
    return index


def test_an_index_reads_all_of_its_files(sharded: Path) -> None:
    tensors, _ = read_weights(sharded, policy=NO_PICKLES)
    assert {key: value.tolist() for key, value in tensors.items()} == {key: [ord(key)] * 2 for key in "abc"}


def test_a_folder_with_an_index_is_read(sharded: Path) -> None:
    assert weights_in(sharded.parent, "file:///folder", POINTER) == sharded


def test_a_missing_file_of_an_index_is_named(sharded: Path) -> None:
    (sharded.parent / "model-00002-of-00002.safetensors").unlink()
    assert "model-00002-of-00002.safetensors" in refusal(sharded).message


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "folder/x.safetensors", "link", "..", ""])
def test_an_index_reads_nothing_outside_of_its_folder(name: str, sharded: Path) -> None:
    (sharded.parent / "link").symlink_to("/etc/passwd")
    sharded.write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(TeacherLoadFailed, match=r"its own folder|is beside it"):
        read_weights(sharded, policy=Policy())


FOLDERS = {
    "a job": (["labels.json", "model.safetensors", "other.safetensors"], "model.safetensors"),
    "Hugging Face": (["config.json", "pytorch_model.bin", "tf_model.h5"], "pytorch_model.bin"),
    "one file": (["README.md", "best.pth"], "best.pth"),
    "one safetensors beside a pickle": (["best.pth", "best.safetensors"], "best.safetensors"),
    "a checkpoint of Lightning": (["hparams.yaml", "epoch=3.ckpt"], "epoch=3.ckpt"),
}
REFUSED_FOLDERS = {
    "several": (["a.pth", "b.pth"], "2 weights files: a.pth, b.pth"),
    "SavedModel": (["saved_model.pb", "fingerprint.pb"], "SavedModel"),
    "a distributed checkpoint": ([".metadata", "__0_0.distcp"], "dcp_to_torch"),
    "something else": (["notes.txt"], "notes.txt"),
    "nothing": ([], "no files"),
}


@pytest.mark.parametrize("kind", FOLDERS)
def test_the_weights_of_a_folder_are_found(kind: str, tmp_path: Path) -> None:
    names, expected = FOLDERS[kind]
    for name in names:
        (tmp_path / name).touch()
    assert weights_in(tmp_path, "file:///folder", POINTER).name == expected


@pytest.mark.parametrize("kind", REFUSED_FOLDERS)
def test_a_folder_that_leaves_it_open_is_refused_with_what_is_in_it(kind: str, tmp_path: Path) -> None:
    names, told = REFUSED_FOLDERS[kind]
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(TeacherLoadFailed, match=told):
        weights_in(tmp_path, "file:///folder", POINTER)


def test_safetensors_are_known_by_their_content(tmp_path: Path) -> None:
    (tmp_path / "teacher.pth").write_bytes(save({"a": torch.ones(2)}))
    assert list(read_weights(tmp_path / "teacher.pth", policy=NO_PICKLES)[0]) == ["a"]


def test_a_quantized_network_is_named_by_its_first_tensor(tmp_path: Path) -> None:
    network = build("cifar/resnet8", 5)
    state = {key: value.clone() for key, value in network.module.state_dict().items()}
    state["conv1.weight"] = torch.quantize_per_tensor(state["conv1.weight"], 0.1, 0, torch.qint8)
    torch.save(state, tmp_path / "quantized.pth")
    tensors, _ = read_weights(tmp_path / "quantized.pth", policy=Policy())
    with pytest.raises(TeacherLoadFailed, match=r"conv1.weight holds qint8.*quantized"):
        fit(network, tensors, source="quantized.pth", pointer=POINTER)
