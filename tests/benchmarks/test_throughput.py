"""The whole of benchmarks/throughput.py, with children that are only told of and a clock that they move."""

import sys
import time
from types import SimpleNamespace

import pytest

from benchmarks import throughput
from benchmarks.harness import children, race, starting
from benchmarks.harness.children import Block, ChildFailed


class StandIn:
    """A child that is ready after `start` seconds, and whose blocks take `block` seconds more than they should."""

    now = start = block = 0.0

    def __init__(self, request, environment=None):
        self.request, self.started_at = request, 0.0

    def wait_ready(self, patience):
        StandIn.now += min(self.start, patience)
        if self.start > patience:
            raise ChildFailed(f"no answer within {patience:.0f} s")
        versions = {"torch": "2.0"}
        told = {"first_step_at": 4.0, "loaded_at": 1.0, "threads": 2, "precision": "fp32"}
        return {**told, "flops": {"live": 2e9, "stored": 1e9}, "device": "cpu", "versions": versions}

    def run_block(self, seconds):
        StandIn.now += seconds + self.block
        facts = {"steps": 2 * seconds, "seconds": seconds, "peak_memory": None, "rates": {"fp32": 1e12}}
        return Block(facts, None)

    def stop(self):
        pass


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """Runs the program with these words on its command line; the document that it writes."""
    for name in ("now", "start", "block"):
        monkeypatch.setattr(StandIn, name, 0.0)
    clock = SimpleNamespace(monotonic=lambda: StandIn.now, strftime=time.strftime)
    for module in (throughput, children, race):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(starting, "Child", StandIn)
    monkeypatch.setattr(throughput, "subprocess", SimpleNamespace(run=lambda *args, **kwargs: None))
    document = tmp_path / "document.md"

    def run(*words):
        places = ["--root", str(tmp_path / "root"), "--document", str(document)]
        monkeypatch.setattr(sys, "argv", ["throughput.py", *words, *places])
        throughput.main()
        return document.read_text() if document.exists() else ""

    return run


def section(document, name):
    _, _, rest = document.partition(f"<!-- {name}: written by a program, begin -->")
    body, closed, _ = rest.partition(f"<!-- {name}: written by a program, end -->")
    assert closed, f"there is no section {name}"
    return body


def test_each_size_of_images_has_a_section_of_its_own(bench):
    both = bench("--work", "kd/32", "--work", "224", "--variant", "textbook")
    small, large = section(both, "throughput-32"), section(both, "throughput-224")
    assert "## Images a second, 32 x 32" in small and "## Images a second, 224 x 224" in large
    assert "| kd/32 | textbook | 128.0 |" in small and "224/resnet18 |" not in small
    assert "| 224/resnet18 | textbook | 32.0 |" in large and "kd/32 |" not in large
    again = bench("--quick", "--variant", "live")
    assert section(again, "throughput-224") == large, "what was measured at 32 pixels is none of its business"
    assert "| simkd/32 | live |" in section(again, "throughput-32")


@pytest.mark.parametrize(("start", "block", "textbook"), [(100.0, 0.0, True), (10.0, 37.0, True), (270.0, 0.0, False)])
def test_a_quick_run_ends_within_five_minutes_and_says_what_it_left_out(bench, capsys, start, block, textbook):
    StandIn.start, StandIn.block = start, block
    document = bench("--quick")
    assert StandIn.now < 300
    printed = capsys.readouterr().out
    assert "Not measured: simkd/32 textbook: left out, for the time was up" in printed
    assert ("| kd/32 | textbook | 128.0 |" in document) == textbook, "what was ready in time is measured"


def test_a_quick_run_on_a_machine_that_is_fast_enough_leaves_nothing_out(bench):
    StandIn.start = 10.0
    assert "Not measured" not in bench("--quick") and StandIn.now < 300


def test_only_a_quick_run_is_in_a_hurry(bench):
    StandIn.start = 100.0
    assert "Not measured" not in bench("--work", "kd/32")
