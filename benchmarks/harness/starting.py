"""The starting line of a race: every child is started alone, so that its start-up is its own, and then waits."""

from collections.abc import Callable
from dataclasses import replace

from benchmarks.harness.children import Child, ChildFailed, time_left
from benchmarks.harness.request import Request
from benchmarks.harness.rows import Start
from worker.environment import SPIN_COUNT

OURS = ("live", "stored")
# Ours, as a worker sets it; and one that does not spin, for the textbook loop of a careful user.
ENVIRONMENTS = {**dict.fromkeys(OURS, SPIN_COUNT), "textbook-tuned": {"OMP_WAIT_POLICY": "PASSIVE"}}


def start_all(
    template: Request,
    variants: dict[str, str | None],
    *,
    patience: float,
    tell: Callable[[str], None],
    end: float | None = None,
) -> tuple[dict[str, Child], dict[str, Start], dict[str, str]]:
    """(children that wait, how they started, reasons of those that did not) by variant.

    `variants`: the checkout of each, or None. `patience`: seconds that a child may take to warm up;
    `end`: time.monotonic() seconds after which no child is started or waited for.
    """
    children: dict[str, Child] = {}
    starts: dict[str, Start] = {}
    missing: dict[str, str] = {}
    for variant, checkout in variants.items():
        request = replace(template, variant=variant, checkout=checkout)
        try:
            before = _start_and_stop(request, time_left(end, patience)) if variant in OURS else None
            children[variant], facts = _start(request, time_left(end, patience))
            starts[variant] = _compare(facts, before)
            tell(f"{template.work_name}: {variant} is ready")
        except ChildFailed as failure:
            missing[variant] = str(failure)
            tell(f"{template.work_name}: {variant} is not measured: {failure}")
    return children, starts, missing


def _start(request: Request, patience: float) -> tuple[Child, dict]:
    child = Child(request, ENVIRONMENTS.get(request.variant))
    try:
        facts = child.wait_ready(patience)
    except BaseException:
        child.stop()
        raise
    return child, {**facts, "started_at": child.started_at}


def _start_and_stop(request: Request, patience: float) -> dict:
    child, facts = _start(request, patience)
    child.stop()
    return facts


def _compare(facts: dict, before: dict | None) -> Start:
    """`facts` of this run, and of the run before it."""
    # `peak` takes no steps; its start is nobody's concern.
    first_step = facts.get("first_step_at", facts["started_at"])
    if before is None:
        return Start(first_step - facts["started_at"], None, None, None, facts)
    return Start(
        warm=first_step - facts["started_at"],
        first=before["first_step_at"] - before["started_at"],
        waiting=first_step - facts["loaded_at"],
        fill=before.get("fill_seconds"),
        facts=facts,
    )
