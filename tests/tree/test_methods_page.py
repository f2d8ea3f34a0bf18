"""README.md's table of methods is that of the code, so that it cannot go stale."""

import re
from pathlib import Path

import pytest

from core.methods import names
from core.spec import KNOBS, parse_job
from store.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()
SECTION = TEXT.split("\n## Methods\n")[1].split("\n## ")[0]
SINGLE = {name: knobs for name, knobs in KNOBS.items() if name != "combined"}
# How the table writes each need.
PHRASES = {
    "labels": r"\blabels\b",
    "teacher": r"\ba teacher\b",
    "common classes": "knows your classes",
    "initial weights": "given weights",
    "trajectory": "checkpoints of its training",
    "target images": "images of a second domain",
}


def named(text):
    return re.findall(r"`([a-z_]+)`", text)


def rows():
    """(set of needs, methods) of each row."""
    for line in re.findall(r"^\| (?!a job brings)([^|-][^|]*) \| ([^|]+) \|$", SECTION, re.MULTILINE):
        brings = line[0].replace("no label is looked at", "")
        yield {need for need, phrase in PHRASES.items() if re.search(phrase, brings)}, named(line[1])


def sentence(beginning):
    """From these words to the end of the sentence that holds the methods' names."""
    return re.search(re.escape(beginning) + r".*?`\.(?=\s)", SECTION, re.DOTALL)[0]


def test_every_method_stands_once_in_the_table():
    listed = [name for _, methods in rows() for name in methods]
    assert sorted(listed) == sorted(SINGLE) == [name for name in names() if name != "combined"]


@pytest.mark.parametrize("name", SINGLE)
def test_a_method_stands_beside_what_it_needs(name):
    (needs,) = [needs for needs, methods in rows() if name in methods]
    assert needs == set(SINGLE[name].needs)


def test_what_is_ours_is_said():
    ours = [name for name, knobs in SINGLE.items() if knobs.fidelity == "our variant"]
    assert named(sentence("Our variants, because")) == sorted(ours)


def test_what_stands_alone_and_who_has_several_teachers_is_said():
    assert named(sentence("Only alone:")) == [name for name, knobs in SINGLE.items() if not knobs.can_be_combined]
    assert named(sentence("From several teachers"))[-1:] == [
        name for name, knobs in SINGLE.items() if knobs.takes_more_teachers
    ]


def test_the_defaults_are_as_said():
    smallest = {"dataset": "builtin:digits", "student": "nano"}
    said = named(sentence("Without `method`, a job").split("learns by")[1])
    assert said == [parse_job({**smallest, "teacher": "cifar/resnet20"}).method.name, parse_job(smallest).method.name]


def test_withdrawn_results_are_not_quoted():
    withdrawn = [name for name, knobs in SINGLE.items() if "withdrawn" in knobs.source]
    assert withdrawn == ["sfr"]
    for line in TEXT.splitlines():
        if "sfr" in line.lower():
            assert not re.search(r"\d+(\.\d+)? ?%", line)


def test_every_field_that_is_named_exists():
    spec = parse_job({"teacher": "cifar/resnet20", "dataset": "builtin:digits", "student": "nano"})
    fields = set(re.findall(r"\b(training|teacher)\.([a-z_]+)\b", TEXT))
    assert {("training", "teacher_pass"), ("teacher", "trajectory"), ("training", "devices")} <= fields
    assert [field for part, field in fields if field not in type(getattr(spec, part)).model_fields] == []


def test_the_bound_of_the_stored_pass_is_a_setting():
    (name,) = set(re.findall(r"RETORT_(\w*TEACHER_PASS\w*)", TEXT))
    assert name.lower() in Settings.model_fields
