"""The commands of README.md, CONTRIBUTING.md and docs/ run as printed, page by page, in a fresh clone."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from fences import ALL_BLOCKS, ROOT, Block
from fresh_clone import environment
from guarded import missing

from retort.local.processes import die_with_parent

PORT = 8000  # which the pages name
BLOCK_SECONDS = 600  # the longest block takes under a minute on an idle machine
READY = "Retort is ready at "
PAGES = {page: [block for block in group if block.runs] for page, group in groupby(ALL_BLOCKS, lambda each: each.page)}
RUN = {page: blocks for page, blocks in PAGES.items() if blocks}


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment variables of a reader who has just come to this machine."""
    return environment(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def service(fresh_clone: Path, variables: dict[str, str]) -> Iterator[None]:
    """`make up` in the clone; ended as by Ctrl-C."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            missing(f"port {PORT}, which the pages name, is in use")
    process = subprocess.Popen(
        ["make", "up"],
        cwd=fresh_clone,
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=die_with_parent(os.getpid()),  # make hands SIGTERM on
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(READY)
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to make and to all that make started
        process.wait(60)


@pytest.mark.timeout(BLOCK_SECONDS * 4)
@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_run_as_printed(
    page: Path, fresh_clone: Path, variables: dict[str, str], request: pytest.FixtureRequest
) -> None:
    for block in RUN[page]:
        if block.needs_service:
            request.getfixturevalue("service")
        done = subprocess.run(
            program_of(block), cwd=fresh_clone, env=variables, capture_output=True, text=True, timeout=BLOCK_SECONDS
        )
        assert done.returncode == 0, f"{block}\n{block.text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def program_of(block: Block) -> list[str]:
    """The command that runs a block."""
    return ["bash", "-ec", block.text] if block.is_shell else [".venv/bin/python", "-c", block.text]


def test_pages_have_commands_that_run() -> None:
    assert len(RUN) > 5
