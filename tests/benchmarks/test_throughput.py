"""The whole of benchmarks/throughput.py, with children that are only told of and a clock that they move."""

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import throughput
from benchmarks.harness import children, race, starting
from benchmarks.harness.children import Block, ChildFailed
from benchmarks.peers import version


class StandIn:
    """A child that is ready after `start` seconds, and whose blocks take `block` seconds more than they should."""

    now = start = block = 0.0

    def __init__(self, request: Any, environment: Any = None) -> None:
        self.request, self.started_at = request, 0.0

    def wait_ready(self, patience: Any) -> dict[Any, Any]:
        StandIn.now += min(self.start, patience)
        if self.start > patience:
            raise ChildFailed(f"no answer within {patience:.0f} s")
        versions = {"torch": "2.0"}
        told = {"first_step_at": 4.0, "loaded_at": 1.0, "threads": 2, "precision": "fp32"}
        return {**told, "flops": {"live": 2e9, "stored": 1e9}, "device": "cpu", "versions": versions}

    def run_block(self, seconds: Any) -> Block:
        StandIn.now += seconds + self.block
        facts = {"steps": 2 * seconds, "seconds": seconds, "peak_memory": None, "rates": {"fp32": 1e12}}
        return Block(facts, None)

    def stop(self) -> None:
        pass


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs the program with these words on its command line; the document that it writes."""
    for name in ("now", "start", "block"):
        monkeypatch.setattr(StandIn, name, 0.0)
    clock = SimpleNamespace(monotonic=lambda: StandIn.now, strftime=time.strftime)
    for module in (throughput, children, race):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(starting, "Child", StandIn)
    monkeypatch.setattr(throughput, "subprocess", SimpleNamespace(run=lambda *args, **kwargs: None))
    document = tmp_path / "document.md"

    def run(*words: Any) -> Any:
        places = ["--root", str(tmp_path / "root"), "--document", str(document)]
        monkeypatch.setattr(sys, "argv", ["throughput.py", *words, *places])
        throughput.main()
        return document.read_text() if document.exists() else ""

    return run


def section(document: Any, name: Any) -> Any:
    _, _, rest = document.partition(f"<!-- {name}: written by a program, begin -->")
    body, closed, _ = rest.partition(f"<!-- {name}: written by a program, end -->")
    assert closed, f"there is no section {name}"
    return body


def test_each_size_of_images_has_a_section_of_its_own(bench: Any) -> None:
    both = bench("--work", "kd/32", "--work", "224", "--variant", "textbook")
    small, large = section(both, "throughput-32"), section(both, "throughput-224")
    assert "## Images a second, 32 x 32" in small and "## Images a second, 224 x 224" in large
    assert "| kd/32 | textbook | 128.0 |" in small and "224/resnet18 |" not in small
    assert "| 224/resnet18 | textbook | 32.0 |" in large and "kd/32 |" not in large
    again = bench("--quick", "--variant", "live")
    assert section(again, "throughput-224") == large, "what was measured at 32 pixels is none of its business"
    assert "| simkd/32 | live |" in section(again, "throughput-32")


@pytest.mark.parametrize(("start", "block", "textbook"), [(100.0, 0.0, True), (10.0, 37.0, True), (270.0, 0.0, False)])
def test_a_quick_run_ends_within_five_minutes_and_says_what_it_left_out(
    bench: Any, capsys: pytest.CaptureFixture[str], start: float, block: float, textbook: bool
) -> None:
    StandIn.start, StandIn.block = start, block
    document = bench("--quick")
    assert StandIn.now < 300
    printed = capsys.readouterr().out
    assert "Not measured: simkd/32 textbook: left out, for the time was up" in printed
    assert ("| kd/32 | textbook | 128.0 |" in document) == textbook, "what was ready in time is measured"


def test_a_quick_run_on_a_machine_that_is_fast_enough_leaves_nothing_out(bench: Any) -> None:
    StandIn.start = 10.0
    assert "Not measured" not in bench("--quick") and StandIn.now < 300


def test_only_a_quick_run_is_in_a_hurry(bench: Any) -> None:
    StandIn.start = 100.0
    assert "Not measured" not in bench("--work", "kd/32")


@pytest.fixture
def checkout(tmp_path: Path) -> tuple[Any, ...]:
    """A folder with one commit, and what git calls it."""
    folder = tmp_path / "peer"
    folder.mkdir()
    (folder / "train.py").write_text("print()\n")

    def git(*words: Any) -> Any:
        who = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
        return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout

    git("init", "--quiet")
    git("add", "train.py")
    git("commit", "--quiet", "--message", "one")
    git("tag", "v1", "--annotate", "--message", "a tag is no commit")
    return folder, git("rev-parse", "--short", "HEAD").strip()


def test_the_document_says_which_versions_of_the_peers_were_measured(
    bench: Any, checkout: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, commit = checkout
    monkeypatch.setattr(version, "metadata", SimpleNamespace(version={"torchdistill": "1.2.3"}.__getitem__))
    peers = ["--peer", f"simkd={folder}", "--peer", f"mdistiller={tmp_path}", "--json", str(tmp_path / "rows.json")]
    head = bench("--work", "kd/32", "--variant", "torchdistill", *peers).partition("|")[0]
    assert f"torch 2.0, torchdistill 1.2.3, simkd {commit}. " in head, "a folder of no repository has no version"
    versions = json.loads((tmp_path / "rows.json").read_text())["versions"]
    assert versions == {"torch": "2.0", "torchdistill": "1.2.3", "simkd": commit}


def test_what_was_not_measured_has_no_version(bench: Any, checkout: Any) -> None:
    folder, commit = checkout
    assert commit not in bench("--work", "224", "--variant", "live", "--peer", f"simkd={folder}")


def test_a_changed_checkout_says_so_and_a_folder_in_anothers_repository_has_no_commit(checkout: Any) -> None:
    folder, commit = checkout
    (folder / "unpacked").mkdir()
    (folder / "unpacked/train.py").write_text("print()\n")
    assert version.version_of("simkd", folder) == commit
    assert version.version_of("simkd", folder / "unpacked") is None
    (folder / "train.py").write_text("print('changed')\n")
    assert version.version_of("simkd", folder) == f"{commit}-dirty"
