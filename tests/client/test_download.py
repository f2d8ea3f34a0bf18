"""A downloaded file is whole and right, or it is not there under its name."""

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from scripted import Answer, Request, Scripted

from retort import DownloadCorrupt, Retort, Unreachable

CONTENT = random.Random(0).randbytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
JOB = {"id": "job_1", "state": "succeeded", "done": True}


def as_json(value: Any) -> Answer:
    return Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


def listing(name: str = "model.onnx", sha256: str = SHA256) -> Answer:
    href = "/v1/jobs/job_1/artifacts/model.onnx"
    return as_json({"data": [{"name": name, "sha256": sha256, "size_bytes": len(CONTENT), "href": href}]})


def part(start: int, cut: int | None = None) -> Answer:
    last = len(CONTENT) - 1
    return Answer(206, CONTENT[start:], {"Content-Range": f"bytes {start}-{last}/{len(CONTENT)}"}, cut=cut)


def rest(request: Request) -> Answer:
    """What a service sends that honours ranges."""
    return part(int(request.headers["range"].removeprefix("bytes=").removesuffix("-")))


def download(server: Scripted, folder: Path, **options: Any) -> list[Path]:
    return Retort(server.url).job("job_1").download(folder, **options)


def test_a_broken_download_goes_on_where_it_ended(server: Scripted, tmp_path: Path) -> None:
    server.script = [as_json(JOB), listing(), Answer(200, CONTENT, cut=1_200_000), rest]
    received: list[int] = []
    (path,) = download(server, tmp_path, on_bytes=received.append)
    assert path.read_bytes() == CONTENT
    assert sum(received) == len(CONTENT)
    asked = server.requests[3].headers
    assert asked["if-range"] == f'"{SHA256}"'
    assert int(asked["range"].removeprefix("bytes=").removesuffix("-")) > 0


def test_what_an_earlier_process_left_is_used(server: Scripted, tmp_path: Path) -> None:
    (tmp_path / "model.onnx.part").write_bytes(CONTENT[:2_000_000])
    server.script = [as_json(JOB), listing(), rest]
    (path,) = download(server, tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.requests[2].headers["range"] == "bytes=2000000-"
    assert not (tmp_path / "model.onnx.part").exists()


def test_a_service_that_sends_everything_again_is_believed(server: Scripted, tmp_path: Path) -> None:
    (tmp_path / "model.onnx.part").write_bytes(b"something else")
    server.script = [as_json(JOB), listing(), Answer(200, CONTENT)]
    assert download(server, tmp_path)[0].read_bytes() == CONTENT


def test_a_part_that_is_already_whole_is_accepted(server: Scripted, tmp_path: Path) -> None:
    (tmp_path / "model.onnx.part").write_bytes(CONTENT)
    server.script = [as_json(JOB), listing(), Answer(416, b"{}")]
    assert download(server, tmp_path)[0].read_bytes() == CONTENT


def test_a_right_file_is_not_fetched_again(server: Scripted, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(CONTENT)
    server.script = [as_json(JOB), listing()]
    download(server, tmp_path)
    assert len(server.requests) == 2


def test_a_wrong_file_is_replaced(server: Scripted, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"old")
    server.script = [as_json(JOB), listing(), Answer(200, CONTENT)]
    assert download(server, tmp_path)[0].read_bytes() == CONTENT


def test_changed_bytes_are_an_error_and_leave_nothing(server: Scripted, tmp_path: Path) -> None:
    wrong = b"\0" + CONTENT[1:]
    server.script = [as_json(JOB), listing(), Answer(200, wrong)]
    with pytest.raises(DownloadCorrupt, match=SHA256):
        download(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_sends_nothing_more_is_given_up(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retort.transport.time.sleep", lambda seconds: None)
    server.script = [as_json(JOB), listing(), Answer(cut=0)]
    with pytest.raises(Unreachable):
        download(server, tmp_path)
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a\\b", "..", ""])
def test_a_service_does_not_choose_the_folder(server: Scripted, tmp_path: Path, name: str) -> None:
    server.script = [as_json(JOB), listing(name), Answer(200, CONTENT)]
    with pytest.raises(DownloadCorrupt, match="no plain file name"):
        download(server, tmp_path / "inside")
    assert len(server.requests) == 2


def test_an_artifact_that_is_not_there_is_named_with_those_that_are(server: Scripted, tmp_path: Path) -> None:
    server.script = [as_json(JOB), listing()]
    with pytest.raises(ValueError, match=r"job_1 has no artifact 'model.pt'; it has: model.onnx"):
        download(server, tmp_path, names=["model.pt"])


def test_a_download_from_another_server_gets_no_api_key_and_goes_on_where_it_ended(
    server: Scripted, tmp_path: Path
) -> None:
    (tmp_path / "model.onnx.part").write_bytes(CONTENT[:2_000_000])
    elsewhere = server.url.replace("127.0.0.1", "localhost") + "/bucket/object?signature=x"
    server.script = [as_json(JOB), listing(), Answer(307, b"", {"Location": elsewhere}), rest]
    (path,) = Retort(server.url, api_key="rtk_secret").job("job_1").download(tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.requests[2].headers["authorization"] == "Bearer rtk_secret"
    there = server.requests[3].headers
    assert (there["range"], there.get("if-range"), there.get("authorization")) == ("bytes=2000000-", None, None)
