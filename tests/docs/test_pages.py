"""The pages of the documentation: their links lead somewhere, and what they name exists in the code."""

import re
from pathlib import Path

import pytest
import typer
from fences import ALL_BLOCKS, PAGES, ROOT, Block
from typer.core import TyperGroup

from core.spec import KNOBS, parse_job
from retort.cli import app
from store.settings import PREFIX, SECRETS_DIR, Settings

SHELL = [block for block in ALL_BLOCKS if block.is_shell]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
OTHER_VARIABLES = {"RETORT_URL", "RETORT_API_KEY", SECRETS_DIR}
COMPOSE_VARIABLES = set(re.findall(r"\$\{(RETORT_[A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
LANGUAGES = {("sh",), ("sh", "no-run"), ("python",), ("python", "run"), ("json",), ("text",), ("console",), ()}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_every_page_is_reached_from_the_index() -> None:
    index = ROOT / "docs/index.md"
    linked = {(index.parent / target.partition("#")[0]).resolve() for target in LINK.findall(index.read_text())}
    assert {page for page in PAGES if page.is_relative_to(index.parent)} - linked == {index}


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("block", ALL_BLOCKS, ids=str)
def test_a_block_says_whether_it_runs(block: Block) -> None:
    assert block.words in LANGUAGES
    assert (block.reason is not None) == ("no-run" in block.words)


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_every_command_and_option_exists(block: Block) -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for command, rest in re.findall(r"\.venv/bin/retort (\w+)((?:[^\n]*\\\n)*[^\n]*)", block.text):
        found = group.commands[command]
        if isinstance(found, TyperGroup):
            found = found.commands[rest.split()[0]]
        known = {option for parameter in found.params for option in parameter.opts}
        assert set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", rest)) <= known, command


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    files = re.findall(r"`((?:api|core|deploy|requirements|store|tests|web|worker)/[\w/.-]+\w)`", text)
    assert [file for file in files if not (ROOT / file).exists()] == []
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE)) <= targets
    known = {PREFIX + field.upper() for field in Settings.model_fields} | OTHER_VARIABLES | COMPOSE_VARIABLES
    used = set(re.findall(r"RETORT_[A-Z_]+[A-Z]", text))
    assert {one for one in used - known if not one.startswith("RETORT_TEST_")} == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_field_that_is_named_exists(page: Path) -> None:
    spec = parse_job({"teacher": "cifar/resnet20", "dataset": "builtin:digits", "student": "nano"})
    parts = "training|teacher|dataset|student|evaluation"
    named = set(re.findall(rf"`(?:--set )?({parts})\.([a-z_]+)[`=: ]", page.read_text()))
    assert [field for part, field in named if field not in type(getattr(spec, part)).model_fields] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_withdrawn_results_are_not_quoted(page: Path) -> None:
    """The results of the paper behind `sfr` were withdrawn: only our own measurements may stand beside its name."""
    withdrawn = [method for method, knobs in KNOBS.items() if "withdrawn" in knobs.source]
    assert withdrawn == ["sfr"]
    if page.name == "methods.md" and page.parent.name == "explanation":
        return
    for line in page.read_text().splitlines():
        assert not ("sfr" in line.lower() and re.search(r"\d+(\.\d+)? ?%", line)), line


def test_the_choice_of_methods_is_that_of_the_code() -> None:
    """docs/how-to/methods.md says which method is the default, and names only methods that exist."""
    text = (ROOT / "docs/how-to/methods.md").read_text()
    smallest = {"dataset": "builtin:digits", "student": "nano"}
    defaults = [parse_job({**smallest, "teacher": "cifar/resnet20"}).method.name, parse_job(smallest).method.name]
    assert re.findall(r"uses\s+`(\w+)`", text) == defaults
    table = [line for line in text.splitlines() if line.startswith("| ")]
    named = {method for line in table for method in re.findall(r"`([a-z_]+)`", line)}
    assert len(named) > 10 and named <= set(KNOBS)
