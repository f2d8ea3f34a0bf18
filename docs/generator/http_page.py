"""The page of the HTTP interface, from the OpenAPI document."""

from typing import Any

from docs.generator.markdown import cell, code, page, table
from docs.generator.openapi import openapi_document
from docs.generator.schema import default_of, fields_table, type_words

INTRODUCTION = """\
`GET /openapi.json` is the whole contract with examples; this page is made from it. Bodies are JSON, names are
snake_case, times are RFC 3339 in UTC. Errors are `application/problem+json` with a stable code: [all
codes](errors.md). The body of a new job is described in [fields of a job](spec.md)."""
METHODS = ("get", "post", "put", "patch", "delete")


def http_page() -> str:
    """An overview, the operations by tag, and the objects of the answers."""
    document = openapi_document()
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]
    overview = [
        [code(f"{method} {path}"), _summary(operation), ", ".join(_successes(operation))]
        for method, path, operation in operations
    ]
    sections = [_operation(*one) for one in operations]
    return page(
        "HTTP interface",
        INTRODUCTION,
        ["## All operations", "", *table(["request", "what it does", "success"], overview)],
        *sections,
        *_objects(document["components"]["schemas"]),
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> list[str]:
    lines = [f"## {method} {path}", "", cell(operation["description"])]
    parameters = [
        [code(one["name"]), one["in"], type_words(one["schema"]), default_of(one["schema"]), _meaning(one)]
        for one in operation.get("parameters", [])
    ]
    if parameters:
        lines += ["", *table(["parameter", "in", "type", "default", "meaning"], parameters)]
    answers = [[status, cell(answer["description"])] for status, answer in sorted(operation["responses"].items())]
    return [*lines, "", *table(["status", "answer, or the codes of errors"], answers)]


def _summary(operation: dict[str, Any]) -> str:
    """The first sentence about the operation."""
    return cell(operation["description"].split(". ")[0].split("\n\n")[0]).rstrip(".") + "."


def _meaning(parameter: dict[str, Any]) -> str:
    return cell(parameter.get("description") or parameter["schema"].get("description", ""))


def _successes(operation: dict[str, Any]) -> list[str]:
    return [status for status in operation["responses"] if status < "400"]


def _objects(schemas: dict[str, Any]) -> list[list[str]]:
    """The answers' objects; those of a job's body are on a page of their own."""
    shown = {name: one for name, one in schemas.items() if name.endswith(("View", "List", "Page", "Place"))}
    return [
        [f"## {name}", "", cell(one.get("description", "").split("\n\n")[0]), "", *fields_table(one)]
        for name, one in shown.items()
    ]
