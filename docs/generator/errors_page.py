"""The page of error codes: of jobs, of HTTP answers, and of exit codes."""

from collections.abc import Iterator

from api import warning_codes as submit_codes
from core import errors, events
from core.data import warning_codes as dataset_codes
from core.networks.weights import warning_codes as weights_codes
from core.planning import warning_codes as planning_codes
from core.spec import warning_codes as method_codes
from core.teachers import warning_codes as teacher_codes
from docs.generator.markdown import cell, code, page, table
from docs.generator.openapi import openapi_document
from retort import cli
from retort import errors as client_errors
from worker import warning_codes as worker_codes

INTRODUCTION = """\
A job that failed has `error`: `code`, `category`, `message` and `hint`. An HTTP request that failed has an answer
of type `application/problem+json` (RFC 9457) with `code`, `detail` and `errors`. Codes are stable; messages and
details are for people and may change."""
CATEGORIES = """\
*user*: the job as written cannot run, and would fail again. *infrastructure*: a machine or a service failed, and
the same job may succeed elsewhere. *internal*: a defect of Retort."""
WARNINGS = "Plan, job and report have `warnings`. A job runs in spite of them; each has a code, a message and a hint."
CODES = (submit_codes, dataset_codes, method_codes, planning_codes, weights_codes, teacher_codes, worker_codes)
CLIENT_EXITS: dict[int, list[str]] = {
    cli.EXIT_INTERRUPTED: ["interrupted"],
    cli.EXIT_READER_GONE: ["the program that reads the output has ended"],
}
ENGINE_EXITS = {
    "EXIT_OK": "the job succeeded",
    "EXIT_INTERNAL": "a defect of Retort",
    "EXIT_USAGE": "wrong options, or a spec that is not valid",
    "EXIT_USER_ERROR": "an error of category user",
    "EXIT_INFRASTRUCTURE": "an error of category infrastructure",
    "EXIT_INTERRUPTED": "interrupted; `--resume` continues from the last checkpoint",
}


def errors_page() -> str:
    """All codes with their meaning."""
    job_rows = [[code(one.code), one.category, _meaning(one)] for one in _leaves(errors.RetortError)]
    return page(
        "Errors and exit codes",
        INTRODUCTION,
        ["## Codes of jobs", "", CATEGORIES, "", *table(["code", "category", "meaning"], job_rows)],
        ["## Codes of HTTP answers", "", *table(["code", "status", "example of `detail`"], _http_rows())],
        ["## Codes of warnings", "", WARNINGS, "", *table(["code", "meaning"], _warnings())],
        ["## Exit codes of `retort`", "", *table(["code", "meaning"], _client_exits())],
        ["## Exit codes of `python -m core`", "", *table(["code", "meaning"], _engine_exits())],
    )


def _warnings() -> list[list[str]]:
    return [[code(name), cell(meaning)] for codes in CODES for name, meaning in codes.MEANINGS.items()]


def _leaves(parent: type[errors.RetortError]) -> Iterator[type[errors.RetortError]]:
    """The classes of core.errors with a code of their own, in the order of the file."""
    for one in parent.__subclasses__():
        if "code" in vars(one) and one.__module__ == errors.__name__:
            yield one
        yield from _leaves(one)
    if parent is errors.RetortError:
        yield errors.InternalError


def _meaning(kind: type[Exception]) -> str:
    return cell((kind.__doc__ or "").strip().split("\n\n")[0])


def _http_rows() -> list[list[str]]:
    """The codes that the operations of the OpenAPI document name, each with the detail of its example."""
    found: dict[str, tuple[str, str]] = {}
    for operations in openapi_document()["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                examples = answer.get("content", {}).get("application/problem+json", {}).get("examples", {})
                found |= {name: (status, example["value"]["detail"]) for name, example in examples.items()}
    return [[code(name), status, cell(detail)] for name, (status, detail) in sorted(found.items())]


def _client_exits() -> list[list[str]]:
    """Exit codes of the command: those of the errors' classes, and those without a class."""
    found = {0: ["done; of `watch` and `submit --watch`: the job succeeded"], **CLIENT_EXITS}
    for kind in dict.fromkeys(_client_errors(client_errors.RetortError)):
        found.setdefault(kind.exit_code, []).append(_meaning(kind))
    return [[str(number), " ".join(words)] for number, words in sorted(found.items())]


def _client_errors(parent: type[client_errors.RetortError]) -> Iterator[type[client_errors.RetortError]]:
    """The classes below `parent` that have an exit code of their own, or no further classes below them."""
    for one in parent.__subclasses__():
        if "exit_code" in vars(one) or not one.__subclasses__():
            yield one
        yield from _client_errors(one)


def _engine_exits() -> list[list[str]]:
    return [[str(getattr(events, name)), words] for name, words in ENGINE_EXITS.items()]
