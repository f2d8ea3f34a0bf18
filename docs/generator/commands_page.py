"""The page of the command lines: `retort`, and the modules that an operator starts."""

import argparse
from collections.abc import Iterator

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from core.__main__ import FLAGS
from docs.generator.markdown import cell, code, page, table
from retort.cli import app

INTRODUCTION = """\
`retort` talks to a service over HTTP; its address is `--url`, or the environment variable `RETORT_URL`, or
`http://127.0.0.1:8000`. With `--json`, a command writes JSON to standard output and nothing else; errors go to
standard error. [Exit codes](errors.md#exit-codes-of-retort)."""
ENGINE = "The engine without a server: `python -m core [run|catalogue|wait] [options]`."


def commands_page() -> str:
    """A section for each command of `retort`, then one for the engine."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    commands = dict(_commands(group))
    overview = [
        [f"[{name}](#retort-{name.replace(' ', '-')})", cell(_help(command))] for name, command in commands.items()
    ]
    sections = [_section(name, command) for name, command in commands.items()]
    engine = table(["option", "meaning"], [_flag(flag, options) for flag, options in FLAGS.items()])
    return page(
        "Commands",
        INTRODUCTION,
        ["## All commands", "", *table(["command", "what it does"], overview)],
        *sections,
        ["## python -m core", "", ENGINE, "", *engine],
    )


def _commands(group: TyperGroup, prefix: str = "") -> Iterator[tuple[str, TyperCommand]]:
    """Every command by its words: `jobs`, `weights add`."""
    for name, one in group.commands.items():
        if isinstance(one, TyperCommand):
            yield prefix + name, one
        elif isinstance(one, TyperGroup):
            yield from _commands(one, f"{prefix}{name} ")


def _help(command: TyperCommand) -> str:
    return (command.help or "").split("\n\n")[0]


def _section(name: str, command: TyperCommand) -> list[str]:
    rows = []
    for parameter in command.params:
        if isinstance(parameter, TyperOption) and not parameter.hidden:
            rows.append([code(_names(parameter)), cell(parameter.help or "")])
        elif isinstance(parameter, TyperArgument):
            rows.append([code((parameter.name or "").upper()), cell(parameter.help or "")])
    return [f"## retort {name}", "", cell(_help(command)), "", *table(["argument or option", "meaning"], rows)]


def _names(option: TyperOption) -> str:
    return ", ".join([*option.opts, *option.secondary_opts])


def _flag(flag: str, options: dict[str, object]) -> list[str]:
    """A flag of the engine as argparse's own help shows it."""
    parser = argparse.ArgumentParser(add_help=False)
    action = parser.add_argument(flag, **options)  # type: ignore[arg-type]
    text = (action.help or "") % {"default": action.default}
    return [code(flag), cell(text)]
