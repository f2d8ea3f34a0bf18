"""The whole of benchmarks/throughput.py, with children that are only told of and a clock that they move."""

import sys
from types import SimpleNamespace

import pytest

from benchmarks import throughput
from benchmarks.harness import starting
from benchmarks.harness.children import Block


class StandIn:
    """A child that takes no time; every step of its blocks takes half a second."""

    def __init__(self, request, environment=None):
        self.request, self.started_at = request, 0.0

    def wait_ready(self, patience):
        versions = {"torch": "2.0"}
        told = {"first_step_at": 4.0, "loaded_at": 1.0, "threads": 2, "precision": "fp32"}
        return {**told, "flops": {"live": 2e9, "stored": 1e9}, "device": "cpu", "versions": versions}

    def run_block(self, seconds):
        facts = {"steps": 2 * seconds, "seconds": seconds, "peak_memory": None, "rates": {"fp32": 1e12}}
        return Block(facts, None)

    def stop(self):
        pass


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """Runs the program with these words on its command line; the document that it writes."""
    monkeypatch.setattr(starting, "Child", StandIn)
    monkeypatch.setattr(throughput, "subprocess", SimpleNamespace(run=lambda *args, **kwargs: None))
    document = tmp_path / "document.md"

    def run(*words):
        places = ["--root", str(tmp_path / "root"), "--document", str(document)]
        monkeypatch.setattr(sys, "argv", ["throughput.py", *words, *places])
        throughput.main()
        return document.read_text()

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
