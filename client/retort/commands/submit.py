"""`retort submit` and `retort plan`: a job from options, from a JSON file, or both."""

from typing import Annotated, Any

import typer

from retort import output, progress
from retort.commands.job_options import takes_a_job
from retort.commands.options import DEFAULT, AsJson, Url, connect
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
            output.machine(job.view) if as_json else print(job.id)
            return
        if not as_json:
            print(job.id, flush=True)
        progress.watch(job, as_json=as_json)


@takes_a_job
def plan(body: dict[str, Any], url: Url = DEFAULT, as_json: AsJson = False) -> None:
    """Say what a job would do, without training: the data, the student chosen, the time."""
    with connect(url) as retort:
        plan = retort.plan(body)
    output.machine(plan) if as_json else _show_plan(plan)


def _show_plan(plan: PlanView) -> None:
    data, student, estimate = plan["dataset"], plan["student"], plan["estimate"]
    images = f"{data['num_train']} train, {data['num_validation']} validation, {data['num_test']} test"
    params, macs = output.count(student["num_params"]), output.count(student["macs"])
    size = f"{params} params, {macs} MACs at {student['input_size']} pixels"
    seconds = estimate.get("training_seconds")
    output.facts(
        [
            ("dataset", f"{data['uri']} ({data['format']}): {images}"),
            ("classes", ", ".join(data["classes"])),
            ("method", output.method(plan["spec"]["method"])),
            ("student", f"{student['architecture']}: {size}"),
            ("it begins with", _initial_weights(plan["spec"]["student"].get("weights"))),
            ("teacher", plan["teacher"] and plan["teacher"]["architecture"]),
            ("teacher val/top1", plan["teacher_validation_top1"]),
            ("steps", estimate["steps"]),
            ("training", None if seconds is None else f"about {seconds:.0f} s"),
            ("because", estimate.get("reason")),
        ]
    )


def _initial_weights(weights: str | None) -> str:
    if weights is None:
        return "random weights"
    return {"teacher": "weights of its teacher", "published": "published weights"}.get(weights, weights)
