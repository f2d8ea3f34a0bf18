"""`retort submit` and `retort plan`: a job from options, from a JSON file, or both."""

from typing import Annotated, Any

import typer

from retort import output, progress
from retort.commands.job_options import takes_a_job
from retort.commands.options import DEFAULT, AsJson, Url, connect
from retort.description import plan_facts
from retort.models import PlanView


@takes_a_job
def submit(
    body: dict[str, Any],
    idempotency_key: Annotated[str | None, typer.Option(help="the job is made once for each key")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="show the job until it is done")] = False,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Queue a job; prints its id."""
    with connect(url) as retort:
        job = retort.submit(body, idempotency_key=idempotency_key)
        if not watch:
            output.machine(job.view) if as_json else output.line(job.id)
            return
        if not as_json:
            output.line(job.id)
        progress.watch(job, as_json=as_json)


@takes_a_job
def plan(body: dict[str, Any], url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Say what a job would do, without training. That is its data, student and time."""
    with connect(url) as retort:
        plan = retort.plan(body)
    output.machine(plan) if as_json else _show_plan(plan)


def _show_plan(plan: PlanView) -> None:
    output.facts(plan_facts(plan))
    for warning in plan.get("warnings") or []:
        for text in progress.warning_lines(warning):
            output.paragraph(text)
