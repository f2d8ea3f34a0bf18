"""`retort submit` and `retort plan`: a job from options, from a JSON file, or both."""

from typing import Annotated, Any

import typer

from client import screen, watching, wishes
from client.commands.options import DEFAULT, AsJson, Url, connect

Teacher = Annotated[
    str | None,
    typer.Option(help="architecture such as torchvision/resnet50, job:<id>, or weights by URI", show_default=False),
]
Dataset = Annotated[str | None, typer.Option(help="path on this machine, builtin:digits, or a URI", show_default=False)]
Student = Annotated[
    str | None, typer.Option(help="nano, tiny, small, medium, same, or an architecture", show_default=False)
]
Method = Annotated[str | None, typer.Option(help="see `retort methods`", show_default=False)]
Weights = Annotated[str | None, typer.Option(help="of the teacher: path on this machine, or a URI", show_default=False)]
Classes = Annotated[str | None, typer.Option(help="classes to keep, separated by commas", show_default=False)]
Name = Annotated[str | None, typer.Option(help="for people", show_default=False)]
Label = Annotated[list[str], typer.Option("--label", help="key=value, for filtering; may be repeated")]
Assignments = Annotated[
    list[str], typer.Option("--set", help="path=value of any field, such as training.epochs=30; may be repeated")
]
SpecFile = Annotated[
    str | None, typer.Option("--spec", help="a job spec as JSON file, - for standard input", show_default=False)
]


def submit(
    teacher: Teacher = None,
    dataset: Dataset = None,
    student: Student = None,
    method: Method = None,
    weights: Weights = None,
    classes: Classes = None,
    name: Name = None,
    label: Label = [],  # noqa: B006 - typer copies it
    assignments: Assignments = [],  # noqa: B006
    spec: SpecFile = None,
    idempotency_key: Annotated[str | None, typer.Option(help="the job is made once for each key")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="show the job until it is done")] = False,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Queue a job; prints its id."""
    body = wishes.combine(
        spec, assignments, teacher, dataset, student, method, weights, classes, name=name, labels=label
    )
    with connect(url) as retort:
        job = retort.submit(body, idempotency_key=idempotency_key)
        if not watch:
            screen.machine(job.view) if as_json else print(job.id)
            return
        if not as_json:
            print(job.id, flush=True)
        watching.watch(job, as_json=as_json)


def plan(
    teacher: Teacher = None,
    dataset: Dataset = None,
    student: Student = None,
    method: Method = None,
    weights: Weights = None,
    classes: Classes = None,
    assignments: Assignments = [],  # noqa: B006
    spec: SpecFile = None,
    url: Url = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Say what a job would do, without training: the data, the student chosen, the time."""
    body = wishes.combine(spec, assignments, teacher, dataset, student, method, weights, classes)
    with connect(url) as retort:
        plan = retort.plan(body)
    screen.machine(plan) if as_json else _show_plan(plan)


def _show_plan(plan: dict[str, Any]) -> None:
    data, student, estimate = plan["dataset"], plan["student"], plan["estimate"]
    images = f"{data['num_train']} train, {data['num_validation']} validation, {data['num_test']} test"
    params, macs = screen.count(student["num_params"]), screen.count(student["macs"])
    size = f"{params} params, {macs} MACs at {student['input_size']} pixels"
    seconds = estimate.get("training_seconds")
    screen.facts(
        [
            ("dataset", f"{data['uri']} ({data['format']}): {images}"),
            ("classes", ", ".join(data["classes"])),
            ("student", f"{student['architecture']}: {size}"),
            ("teacher", (plan.get("teacher") or {}).get("architecture")),
            ("teacher val/top1", plan.get("teacher_validation_top1")),
            ("steps", estimate["steps"]),
            ("training", None if seconds is None else f"about {seconds:.0f} s"),
            ("because", estimate.get("reason")),
        ]
    )
