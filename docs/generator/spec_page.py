"""The page of all fields of a job."""

from core.spec import JobSpec
from docs.generator.markdown import page
from docs.generator.schema import fields_table

INTRODUCTION = """\
A job is a JSON object with the fields of *JobSpec*. Only `dataset` and `student` are required, and most methods
need a `teacher`. An unknown field is refused. A field with the value `auto` is filled in when the dataset has been
read; `retort plan` and the job itself show the value that was chosen. The methods and their knobs are on [a page of
their own](methods.md)."""


def spec_page() -> str:
    """JobSpec first, then each object that it contains, without the methods' knobs."""
    schema = JobSpec.model_json_schema()
    objects = {name: one for name, one in schema["$defs"].items() if not name.endswith("Knobs")}
    sections = [["## JobSpec", "", _first_line(schema), "", *_without_knobs(fields_table(schema))]]
    for name, one in objects.items():
        sections.append([f"## {name}", "", _first_line(one), "", *fields_table(one)])
    return page("Fields of a job", INTRODUCTION, *sections)


def _first_line(schema: dict[str, str]) -> str:
    return schema.get("description", "").split("\n\n")[0]


def _without_knobs(lines: list[str]) -> list[str]:
    """The type of `method` is a union of all methods: their page says what each of them is."""
    short = "string, object or list of either: see [methods](methods.md)"
    return [_shortened(line, short) if line.startswith("| `method` |") else line for line in lines]


def _shortened(line: str, words: str) -> str:
    name, *_, default, meaning = line.removeprefix("| ").removesuffix(" |").split(" | ")
    return f"| {name} | {words} | {default} | {meaning} |"
