"""The machinery of the benchmark: blocks in turn, medians within rounds, rows for JSON, a section between markers."""

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.children import Block, ChildFailed
from benchmarks.harness.document import replace_section, table
from benchmarks.harness.load import Reading, others_share, read_load
from benchmarks.harness.ours import job
from benchmarks.harness.pacing import WARM_UP_STEPS, Channel, PacedLoader, Pacer, Stopped
from benchmarks.harness.race import race
from benchmarks.harness.request import Request
from benchmarks.harness.rows import Start, make_rows, median_ratio
from benchmarks.harness.works import WORKS, choose, find
from core.spec import parse_job


def block(steps: Any, seconds: Any, load: float = 0.0, memory: int = 2_000_000) -> Block:
    return Block({"steps": steps, "seconds": seconds, "peak_memory": memory}, load)


class Scripted:
    """A child that notes its turns; `fails_at`: the turn at which it dies."""

    def __init__(self, name: Any, turns: Any, fails_at: Any = None) -> None:
        self.name, self.turns, self.fails_at = name, turns, fails_at

    def run_block(self, seconds: Any) -> Any:
        self.turns.append(self.name)
        if self.turns.count(self.name) == self.fails_at:
            raise ChildFailed("it died")
        return block(10, seconds)


def test_every_child_runs_once_in_every_round_and_each_round_begins_with_another() -> None:
    turns = []
    children = {name: Scripted(name, turns) for name in "abc"}
    blocks, dropped = race(children, rounds=3, seconds=1.0)
    assert ["".join(turns[i : i + 3]) for i in (0, 3, 6)] == ["abc", "bca", "cab"]
    assert {name: len(its) for name, its in blocks.items()} == {"a": 3, "b": 3, "c": 3} and dropped == {}


def test_a_child_that_dies_drops_out_with_its_reason() -> None:
    turns = []
    children = {"a": Scripted("a", turns), "b": Scripted("b", turns, fails_at=2)}
    blocks, dropped = race(children, rounds=3, seconds=1.0)
    assert list(blocks) == ["a"] and len(blocks["a"]) == 3 and dropped == {"b": "it died"}


def test_a_race_out_of_time_still_has_two_rounds() -> None:
    turns = []
    blocks, _ = race({"a": Scripted("a", turns)}, rounds=9, seconds=1.0, until=time.monotonic() - 1)
    assert len(blocks["a"]) == 2


def test_a_ratio_is_taken_within_its_round() -> None:
    # The machine slows down threefold in the second round; the ratio of the medians would be 4 / 6.
    ours, reference = [block(8, 1), block(2, 1), block(4, 1)], [block(6, 1), block(2, 1), block(6, 1)]
    assert median_ratio(ours, reference) == pytest.approx(1.0)


def test_the_rows_hold_what_the_blocks_say() -> None:
    work = find("simkd/32")
    blocks = {"textbook": [block(2, 1.0, 0.1), block(4, 1.0, 0.3), block(3, 1.0, 0.2)], "stored": [block(6, 0.5)] * 3}
    starts = {
        "textbook": Start(10.0, None, None, None, {"threads": 2, "precision": "fp32"}),
        "stored": Start(3.0, 9.0, 2.0, 5.0, {"threads": 2, "precision": "bf16"}),
    }
    rows = make_rows(work, blocks, starts, {"live": 3e9, "stored": 1e9}, 2e12)
    plain, stored = (json.loads(json.dumps(row.to_json())) for row in rows)
    assert plain["work"] == "simkd/32" and plain["variant"] == "textbook"
    assert plain["images_per_second"] == 3 * 64 and plain["ratio_to_textbook"] == 1.0
    assert (plain["slowest"], plain["fastest"], plain["rounds"]) == (128, 256, 3)
    assert plain["share_of_peak"] == pytest.approx(192 * 3e9 / 2e12) and plain["other_load"] == 0.2
    assert stored["images_per_second"] == 12 * 64 and stored["ratio_to_textbook"] == 4.0
    assert stored["share_of_peak"] == pytest.approx(768 * 1e9 / 2e12) and stored["fill_seconds"] == 5.0
    assert stored["peak_memory_mb"] == 2.0 and stored["startup_seconds"] == 3.0


def test_without_a_textbook_loop_there_is_no_ratio() -> None:
    rows = make_rows(find("kd/32"), {"live": [block(1, 1)]}, {"live": Start(1, 1, 1, 0, {})}, {"live": 1.0}, None)
    assert rows[0].ratio_to_textbook is None and rows[0].share_of_peak is None


def pace(orders: Any) -> tuple[Any, ...]:
    said = io.StringIO()
    pacer = Pacer(Channel(io.StringIO(orders), said))
    return pacer, lambda: [json.loads(line) for line in said.getvalue().splitlines()]


def test_a_loop_warms_up_then_trains_in_blocks_until_it_is_stopped() -> None:
    pacer, said = pace("0.02\n0.01\nstop\n")
    pacer.note(threads=7)
    steps = 0
    with pytest.raises(Stopped):
        while True:
            time.sleep(0.001)
            steps += 1
            pacer.step_done()
    ready, *blocks = said()
    assert ready["event"] == "ready" and ready["threads"] == 7 and ready["first_step_at"] <= time.time()
    assert [message["event"] for message in blocks] == ["block", "block"]
    assert steps == WARM_UP_STEPS + sum(message["steps"] for message in blocks)
    assert all(message["seconds"] >= length for message, length in zip(blocks, (0.02, 0.01), strict=True))


def test_a_loop_that_asks_for_its_next_batch_has_done_a_step() -> None:
    pacer, said = pace("")
    loader = PacedLoader(list(range(10)), pacer)
    seen = []
    with pytest.raises(Stopped):
        seen += loader
    assert len(loader) == 10 and len(said()) == 1
    taken = []
    pacer, _ = pace("")
    with pytest.raises(Stopped):
        for batch in PacedLoader(list(range(10)), pacer):
            taken.append(batch)
    assert taken == list(range(WARM_UP_STEPS))


def test_the_load_of_others_is_what_a_process_did_not_take_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert others_share(Reading(100.0, 10.0), Reading(107.0, 14.0), 2.0) == 3 / 8
    assert others_share(Reading(100.0, 10.0), Reading(103.9, 14.0), 2.0) == 0.0  # ticks are rounded
    assert others_share(None, Reading(1.0, 1.0), 1.0) is None


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="the load of others is read from Linux' /proc")
def test_the_work_of_a_child_process_is_counted_as_its_parents() -> None:
    work = "sum(i * i for i in range(3 * 10**6))"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{work}']); print(flush=True); input()"
    parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    before = read_load(parent.pid)
    parent.stdout.readline()
    after = read_load(parent.pid)
    parent.communicate(b"\n")
    assert after.own_seconds - before.own_seconds > 0.05
    assert after.all_seconds - before.all_seconds > 0.05


@pytest.mark.parametrize("variant", ["live", "stored"])
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_the_engine_is_given_a_job_that_a_client_could_write(work: Any, variant: str, tmp_path: Path) -> None:
    spec = parse_job(job(Request(variant, work.name, str(tmp_path), str(tmp_path), views=2)))
    assert spec.method.name == work.method and spec.training.teacher_pass == variant
    assert spec.training.batch_size == work.batch_size
    assert spec.training.stored_views == (2 if variant == "stored" else "auto")


def test_works_are_chosen_by_name_or_by_their_group() -> None:
    assert [work.name for work in choose(["224"])] == ["224/resnet18", "224/mobilenet_v3_small"]
    assert [work.name for work in choose(["kd/32"])] == ["kd/32"]
    with pytest.raises(ValueError, match="no work is called 'kd/64'; there are kd/32"):
        choose(["kd/32", "kd/64"])


def test_a_request_survives_the_command_line() -> None:
    request = Request("simkd", "kd/32", "in", "out", threads=2, checkout="there")
    assert Request.from_json(request.to_json()) == request


def test_a_section_is_put_between_its_markers_and_the_rest_stays() -> None:
    first = replace_section("# Title\n\nBy hand.\n", "speed", "one")
    both = replace_section(first, "other", "two") + "\nAlso by hand.\n"
    changed = replace_section(both, "speed", "ONE\n")
    assert changed == both.replace("\none\n", "\nONE\n") and changed != both
    assert changed.startswith("# Title\n\nBy hand.\n") and changed.endswith("\nAlso by hand.\n") and "two" in changed


def test_a_lost_marker_is_no_reason_to_overwrite_the_document() -> None:
    text = replace_section("# Title\n", "speed", "one")
    for line in text.splitlines():
        if "<!--" in line:
            with pytest.raises(ValueError, match="only one of the markers of 'speed'"):
                replace_section(text.replace(line, ""), "speed", "two")


def test_a_table_leaves_empty_what_a_row_lacks() -> None:
    lines = table([{"a": 1.234, "b": None}, {"a": 12345.6, "b": "x"}], {"a": "A", "b": "B"}).splitlines()
    assert lines == ["| A | B |", "|---|---|", "| 1.23 |  |", "| 12,346 | x |"]
