"""Every command at 80 columns, with texts in the service's answers that would harm a terminal or break a layout."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rich.cells import cell_len
from running import ROOT, environment
from scripted import Answer, Request, Scripted

from retort import output, tables
from retort.cli import main
from retort.demo.comparison import compare
from retort.tables import Column

WIDTH = 80
# Rich's markup, an emoji code, escape sequences (7 and 8 bit), a bell, line breaks, a bidi override, a surrogate.
HOSTILE = "x[/b][red]:smile: \x1b[31m\x9b31m\x07\x7f\r\n\u202e\ud800 a name that is longer than most columns, 长的名字"
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
ID = "job_01KAK3P0V6T6Y1F5S9W1QKX0ZD"
AT = "2026-11-29T17:03:21Z"
NETWORK = {
    "architecture": f"cifar/{HOSTILE}",
    "num_params": 11_689_512,
    "macs": 1_819_066_368,
    "bytes": 46_800_000,
    "input_size": 224,
    "num_classes": 4,
    "test": {"top1": 0.925, "top1_interval": [0.82, 0.97], "num_images": 53},
    "latency": {"p50_ms": 0.332},
    "seconds": 24.5,
    "steps": 48,
}
GARBAGE = {
    "place": HOSTILE,
    "kind": "events",
    "reason": HOSTILE,
    "due_count": 123_456,
    "due_bytes": 10**11,
    "kept_count": 0,
    "kept_bytes": 0,
    "removed_count": 7,
    "removed_bytes": 0,
    "at": None,
}
WARNING = {"code": "DATASET_LEAK", "message": f"12 images are in two splits: {HOSTILE}", "hint": HOSTILE, "count": 12}
JOB = {
    "id": ID,
    "name": HOSTILE,
    "labels": {HOSTILE: HOSTILE},
    "state": "succeeded",
    "phase": None,
    "done": True,
    "progress": None,
    "summary": {"teacher": HOSTILE, "student": "nano", "method": HOSTILE},
    "spec": {
        "teacher": {"architecture": HOSTILE, "weights": HOSTILE},
        "dataset": {"uri": HOSTILE},
        "method": {"name": HOSTILE},
        "student": {"size": "nano"},
        "training": {"devices": "cpu"},
    },
    "student": NETWORK,
    "result": {"metrics": NETWORK, "teacher": NETWORK, "baselines": {HOSTILE: NETWORK}},
    "error": None,
    "warnings": [WARNING],
    "attempts": [],
    "queue": None,
    "runtime_seconds": 3.2,
    "created_at": AT,
    "started_at": AT,
    "finished_at": AT,
}
ERROR = {"code": "DATASET_INVALID", "category": "user", "message": HOSTILE, "hint": HOSTILE}
PLAN = {
    "spec": JOB["spec"],
    "dataset": {"uri": HOSTILE, "format": "folder", "classes": [HOSTILE] * 40} | dict.fromkeys(
        ("num_train", "num_validation", "num_test"), 9
    ),
    "student": NETWORK,
    "teacher": NETWORK,
    "teacher_validation_top1": 0.5,
    "estimate": {"steps": 9, "training_seconds": 250.0, "memory_bytes": 10**9, "reason": HOSTILE},
    "warnings": [WARNING],
}  # fmt: skip
METHOD = {
    "name": "kd",
    "summary": HOSTILE,
    "source": HOSTILE,
    "fidelity": "as published",
    "needs": ["teacher", "labels", "common classes", "target images"],
    "can_be_combined": True,
    "knobs": {"properties": {"temperature": {"default": [1] * 40, "description": HOSTILE}}},
}
WORKER = {
    "id": f"{HOSTILE}-1",
    "host": HOSTILE,
    "devices": ["cuda:0"] * 8,
    "slots": 1,
    "state": "idle",
    "jobs": [],
    "alive": True,
    "last_seen_at": AT,
    "version": "0.1.0+8aae34bc79a5",
}
TEACHER = {"published_weights": True} | NETWORK
DATASET = {
    "uri": "dataset:ds_01KAK3P0V6T6Y1F5S9W1QKX0ZD",
    "name": HOSTILE,
    "size_bytes": 4_100_000,
    "received_bytes": 100_000,
    "state": "uploading",
    "created_at": AT,
}
ARTIFACT = {"name": HOSTILE, "size_bytes": 4_100_000, "media_type": "text/csv; charset=utf-8", "created_at": AT}
LOG = {"seq": 1, "attempt": 1, "level": "warning", "message": f"{HOSTILE}\n{HOSTILE}", "at": AT}
LISTS: dict[str, list[Any]] = {
    "/v1/jobs": [JOB, JOB | {"state": "running", "phase": "training", "progress": {"fraction": 0.5}}],
    "/v1/methods": [METHOD],
    "/v1/students": [NETWORK | {"size": "nano", "inputs": "small"}],
    "/v1/teachers": [TEACHER] * 40,
    "/v1/workers": [WORKER],
    "/v1/datasets": [DATASET],
    "/v1/garbage": [GARBAGE],
    f"/v1/jobs/{ID}/artifacts": [ARTIFACT],
    f"/v1/jobs/{ID}/logs": [LOG],
    f"/v1/jobs/{ID}/metrics": [{"name": HOSTILE, "points": [[1, 0.5, AT]]}],
}
FAILED = "job_01KAK3P0V6T6Y1F5S9W1QKX0ZF"
COMMANDS = [
    ["jobs"],
    ["show", ID],
    ["show", FAILED],
    ["watch", ID],
    ["watch", FAILED],
    ["logs", ID],
    ["metrics", ID],
    ["compare", ID],
    ["compare", ID, ID],
    ["artifacts", ID],
    ["download", FAILED],
    ["plan", "--dataset", "builtin:digits", "--student", "nano"],
    ["methods"],
    ["methods", "kd"],
    ["students"],
    ["teachers"],
    ["workers"],
    ["datasets", "list"],
    ["gc", "--dry-run"],
]


def answer(request: Request) -> Answer:
    path = request.path.partition("?")[0]
    value: Any = JOB
    if path in LISTS:
        value = {"data": LISTS[path], "has_more": False, "next_cursor": None}
    elif path == f"/v1/jobs/{FAILED}/artifacts" or path == f"/v1/jobs/{FAILED}/metrics":
        value = {"data": []}
    elif path == f"/v1/jobs/{FAILED}":
        value = JOB | {"id": FAILED, "state": "failed", "error": ERROR, "result": None}
    elif path == "/v1/jobs/plan":
        value = PLAN
    return Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


@pytest.fixture
def url(server: Scripted) -> str:
    server.script = [answer]
    return server.url


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standard output as a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setattr(output, "people", output.People(force_terminal=True, width=WIDTH, color_system=None))
    yield


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_nothing_harmful_reaches_the_terminal_and_lines_fit(
    url: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([*command, "--url", url])
    assert code == (1 if FAILED in command and command[0] != "show" else 0)
    out, err = capsys.readouterr()
    shown = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]|\r", "", out) if command[0] == "watch" else out  # rich moves the cursor
    # Lines for programs: tabs between the values, and never folded.
    shown = shown.replace("\t", " ") if command[0] == "metrics" else shown
    assert not UNSAFE.search(shown) and not UNSAFE.search(err)
    assert "[/b][red]:smile:" in out + err or command[0] in ("metrics", "students", "teachers", "workers", "jobs", "gc")
    if command[0] != "metrics":
        assert [line for line in shown.splitlines() if cell_len(line) > WIDTH] == []
    assert "Traceback" not in err


@pytest.mark.parametrize("command", [one for one in COMMANDS if FAILED not in one], ids=" ".join)
def test_json_is_clean_and_says_what_the_service_said(
    url: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--json", "--url", url]) == 0
    out, _ = capsys.readouterr()
    assert not UNSAFE.search(out)
    values = [json.loads(line) for line in out.splitlines()]
    assert HOSTILE in json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass").decode(
        "utf-8", "surrogatepass"
    ) or any(HOSTILE in text for text in texts(values))


def texts(value: Any) -> Iterator[str]:
    """All strings inside a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from (key, *texts(one))
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


@pytest.mark.usefixtures("terminal")
def test_an_id_is_never_shortened(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["jobs", "--url", url])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == [ID, ID]


def test_into_a_pipe_nothing_is_cut_or_folded(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    own = {name: value for name, value in environment().items() if name != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, "-m", "retort", "jobs", "--url", url], env=own, cwd=ROOT, capture_output=True, check=True
    )
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 3 and all("长的名字" in line for line in lines[1:])


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        ([Column("a"), Column("b", narrow="cut")], [("x" * 30, "y" * 100)]),
        ([Column("a", narrow="fold"), Column("b", narrow="cut"), Column("c")], [("x" * 90, "y" * 90, "z" * 20)]),
        ([Column("a", narrow="cut")], [("长" * 60,)]),
    ],
)
def test_columns_share_what_the_whole_ones_leave(columns: list[Column], cells: list[tuple[str, ...]]) -> None:
    widths = tables.fitted(columns, cells, WIDTH)
    assert sum(widths) + tables.GAP * (len(widths) - 1) <= WIDTH
    for index, column in enumerate(columns):
        if column.narrow == "whole":
            assert widths[index] == cell_len(cells[0][index])


@pytest.mark.usefixtures("terminal")
def test_the_table_of_the_demo_fits(capsys: pytest.CaptureFixture[str]) -> None:
    network = NETWORK | {"architecture": "cifar/resnet20", "latency": {"p50_ms": 0.2043}}
    baselines = dict.fromkeys(("scratch", "finetune", "finetune_student"), network)
    compare({"teacher": network, "metrics": network | {"method": "pkd"}, "baselines": baselines})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6 and all(cell_len(line) <= WIDTH for line in lines)
    assert all("92.5%" in line and line.endswith("0.204 ms") for line in lines[1:])


def in_terminal(command: list[str], read: Callable[[int], None]) -> int:
    """Run a command whose standard output is a pseudo-terminal; the exit status."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(command, env=environment(COLUMNS=str(WIDTH)), cwd=ROOT, stdout=terminal)
    os.close(terminal)
    read(controller)
    os.close(controller)
    return process.wait(60)


def test_a_real_terminal_gets_a_bar_of_its_width(url: str) -> None:
    chunks: list[bytes] = []

    def read(controller: int) -> None:
        try:
            while chunk := os.read(controller, 4096):
                chunks.append(chunk)
        except OSError:  # the other end is closed
            pass

    assert in_terminal([sys.executable, "-m", "retort", "watch", ID, "--url", url], read) == 0
    shown = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", b"".join(chunks).decode())
    bars = [line for line in re.split(r"[\r\n]+", shown) if "━" in line]
    assert bars and "100%" in bars[-1] and all(cell_len(bar) <= WIDTH for bar in bars)


@pytest.mark.parametrize("arguments", [["jobs"], ["jobs", "--json"], ["metrics", ID], ["teachers"], ["--help"]])
def test_a_reader_that_ends_early_is_silent_and_141(url: str, arguments: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "retort", *arguments],
        env=environment(RETORT_URL=url), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) == 141


def test_a_closed_standard_error_leaves_standard_output_clean() -> None:
    command = f"{sys.executable} -m retort jobs --json --url nowhere 2>&-"
    done = subprocess.run(["sh", "-c", command], env=environment(), cwd=ROOT, stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_full_disk_is_said_and_not_a_traceback() -> None:
    command = f"{sys.executable} -m retort --version >/dev/full"
    done = subprocess.run(["sh", "-c", command], env=environment(), cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr == b"retort: [Errno 28] No space left on device\n"


def test_an_ascii_terminal_is_shown_escapes(url: str) -> None:
    own = environment(PYTHONIOENCODING="ascii")
    command = [sys.executable, "-m", "retort", "show", ID, "--url", url]
    done = subprocess.run(command, env=own, cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\u957f" in done.stdout
