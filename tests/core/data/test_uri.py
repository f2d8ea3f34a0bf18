"""Where a URI may lead: files below the opened folders, inputs of the job, nothing else."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from core.data.uri import fetch
from core.errors import DatasetUnreachable
from core.policy import Policy
from core.spec.uris.redaction import redacted
from core.system.workspace import Workspace


def get(uri: str, tmp_path: Path, policy: Policy | None = None, **more: Any) -> Path:
    return fetch(uri, Workspace(tmp_path, tmp_path / "cache", tmp_path / "in", policy or Policy()), **more)


def test_a_file_is_read_in_place(tmp_path: Path) -> None:
    (tmp_path / "my photos.zip").write_bytes(b"zip")
    assert get((tmp_path / "my photos.zip").as_uri(), tmp_path) == (tmp_path / "my photos.zip").resolve()


@pytest.mark.parametrize(
    "name", ["set#2", "set?v=2", "100%", "50%25", "a b", "a%20b", "c+d", "e&f=g", "h;i", "café", "j%zz"]
)
@pytest.mark.parametrize("form", ["as_uri", "pasted"])
def test_a_path_with_signs_of_a_uri_is_that_very_path(tmp_path: Path, name: str, form: str) -> None:
    for other in (name, name.partition("#")[0].partition("?")[0] + "x", "set"):
        (tmp_path / other).mkdir(exist_ok=True)
    uri = (tmp_path / name).as_uri() if form == "as_uri" else f"file://{tmp_path}/{name}"
    assert get(uri, tmp_path) == (tmp_path / name).resolve()
    assert redacted(uri) == uri


def test_a_path_that_is_no_text(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(bytes(tmp_path) + b"/\xff")).mkdir()
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    assert os.fsencode(get(f"{tmp_path.as_uri()}/%FF", tmp_path)).endswith(b"/\xff")


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("file:///nowhere/at/all", "no such file or folder"),
        ("file://elsewhere/etc/passwd", "names the host 'elsewhere'"),
        ("file:relative/path", "no absolute path"),
        ("file:///dev/null", "neither a file nor a folder"),
        ("ftp://host/file", "unknown scheme 'ftp:'"),
        ("nothing", "unknown scheme"),
        ("dataset:../up", "is no id"),
        ("dataset:absent", "no such dataset"),
        ("job:absent", "no such job"),
        ("http:///path", "names no host"),
        ("http://[bad/x", "is no URI"),
        ("http://127.0.0.1:99999/x", "[Pp]ort"),
    ],
)
def test_what_cannot_be_reached(tmp_path: Path, uri: str, why: str) -> None:
    with pytest.raises(DatasetUnreachable, match=why) as caught:
        get(uri, tmp_path, pointer="/teacher/weights")
    assert caught.value.message.startswith(uri + ": ")
    assert caught.value.pointer == "/teacher/weights"


def test_only_below_the_opened_folders(tmp_path: Path) -> None:
    for name in ("data", "data2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.zip").write_bytes(b"zip")
    (tmp_path / "data" / "out").symlink_to(tmp_path / "data2" / "x.zip")
    (tmp_path / "door").symlink_to(tmp_path / "data")
    policy = Policy(file_roots=(tmp_path / "data",))
    base = tmp_path.as_uri()
    assert get(f"{base}/data/x.zip", tmp_path, policy)
    assert get(f"{base}/door/x.zip", tmp_path, policy)
    for outside in ("data2/x.zip", "data/../data2/x.zip", "data/out", "data/%2e%2e/data2/x.zip", "data2/absent"):
        with pytest.raises(DatasetUnreachable, match="outside the folders"):
            get(f"{base}/{outside}", tmp_path, policy)
    with pytest.raises(DatasetUnreachable, match="outside the folders"):
        get(f"{base}/data/x.zip", tmp_path, Policy(file_roots=()))


def test_inputs(tmp_path: Path) -> None:
    (tmp_path / "in" / "ds_1").mkdir(parents=True)
    (tmp_path / "in" / "ds_1" / "photos.zip").write_bytes(b"zip")
    (tmp_path / "in" / "job_1").mkdir()
    (tmp_path / "in" / "job_1" / "model.safetensors").write_bytes(b"weights")
    assert get("dataset:ds_1", tmp_path) == tmp_path / "in" / "ds_1" / "photos.zip"
    assert get("job:job_1", tmp_path) == tmp_path / "in" / "job_1"


def test_a_sha256_is_checked(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"weights")
    right = hashlib.sha256(b"weights").hexdigest()
    assert get((tmp_path / "w").as_uri(), tmp_path, sha256=right)
    with pytest.raises(DatasetUnreachable, match=f"has the sha256 {right}, not {'0' * 64}"):
        get((tmp_path / "w").as_uri(), tmp_path, sha256="0" * 64)
