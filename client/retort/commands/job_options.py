"""The options that say what a job is: one list for every command that takes a job."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from retort import job_body

Repeated = list[str]


def spec_of(
    teacher: Annotated[
        str | None,
        typer.Option(help="architecture such as torchvision/resnet50, job:<id>, or weights by URI", show_default=False),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="path on this machine, builtin:digits, or a URI", show_default=False)
    ] = None,
    student: Annotated[
        str | None, typer.Option(help="nano, tiny, small, medium, same, or an architecture", show_default=False)
    ] = None,
    method: Annotated[
        Repeated, typer.Option(help="see `retort methods`; given several times, their terms are added up")
    ] = [],  # noqa: B006 - typer copies it
    weights: Annotated[
        str | None, typer.Option(help="of the teacher: path on this machine, or a URI", show_default=False)
    ] = None,
    more_teacher: Annotated[
        Repeated, typer.Option(help="a further teacher, for methods that learn from several; may be repeated")
    ] = [],  # noqa: B006
    classes: Annotated[
        str | None, typer.Option(help="classes to keep, separated by commas", show_default=False)
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="images of a second domain to adapt to: path on this machine, or a URI", show_default=False),
    ] = None,
    name: Annotated[str | None, typer.Option(help="for people", show_default=False)] = None,
    label: Annotated[Repeated, typer.Option(help="key=value, for filtering; may be repeated")] = [],  # noqa: B006
    assignments: Annotated[
        Repeated,
        typer.Option(
            "--set",
            help="path=value of any field, such as training.epochs=30, or method.1.weight=2 of the second of several "
            "methods; may be repeated",
        ),
    ] = [],  # noqa: B006
    spec: Annotated[
        str | None, typer.Option(help="a job spec as JSON file, - for standard input", show_default=False)
    ] = None,
) -> dict[str, Any]:
    """The JSON of a job: the file's, then what the options say, then the assignments; later wins. Raises ValueError."""
    fields = {
        "teacher": teacher,
        "dataset": None if dataset is None else job_body.as_uri(dataset),
        "student": student,
        "method": method[0] if len(method) == 1 else method or None,
        "more_teachers": more_teacher or None,
        "name": name,
    }
    inside = {
        "teacher.weights": None if weights is None else job_body.as_uri(weights),
        "dataset.classes": None if classes is None else [one.strip() for one in classes.split(",")],
        "dataset.target_uri": None if target is None else job_body.as_uri(target),
    }
    return job_body.combine(spec, fields | inside, assignments, labels=label)


def takes_a_job(command: Callable[..., None]) -> Callable[..., None]:
    """`command(body, ...)` becomes a command with the options of `spec_of`, which make the `body`, and its own."""
    shared = inspect.signature(spec_of).parameters
    _, *own = inspect.signature(command).parameters.values()

    @functools.wraps(command)
    def run(**given: Any) -> None:
        body = spec_of(**{option: given.pop(option) for option in shared})
        command(body, **given)

    # Where typer looks for options.
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*shared.values(), *own)]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run
