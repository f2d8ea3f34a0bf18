"""The `retort` command.

Exit codes: 0 done; 1 the job failed, or `up` could not run; 2 wrong usage or an invalid spec; 3 no service answers;
4 the service refuses (not found, conflict); 5 the job was cancelled; 6 a download is corrupt; 130 interrupted; 141 the
program that read the output has ended.
"""

import importlib.metadata
import io
import os
import sys
from typing import Annotated

import typer

from retort import output
from retort.commands import (
    catalogues,
    datasets,
    files,
    garbage,
    jobs,
    keys,
    local,
    results,
    secrets,
    submit,
    webhooks,
    weights,
)
from retort.errors import RetortError

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
# What a shell reports of a program that SIGPIPE ended (128 + 13).
EXIT_READER_GONE = 141

app = typer.Typer(
    name="retort",
    help="Turn a big teacher network into a small one, specialized to your classes.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    local.up,
    submit.submit,
    submit.plan,
    datasets.upload,
    jobs.jobs,
    results.show,
    jobs.watch,
    results.logs,
    results.metrics,
    results.compare,
    files.artifacts,
    files.download,
    jobs.cancel,
    jobs.pause,
    jobs.resume,
    jobs.retry,
    jobs.change,
    jobs.delete,
    catalogues.methods,
    catalogues.students,
    catalogues.teachers,
    catalogues.workers,
    keys.audit,
    garbage.gc,
    local.dashboard,
    local.settings,
):
    app.command()(command)
app.add_typer(datasets.datasets)
app.add_typer(secrets.secrets)
app.add_typer(webhooks.webhooks)
app.add_typer(weights.app, name="weights")
app.add_typer(keys.keys)


def show_version(wanted: bool) -> None:
    """Print the version of this client and end."""
    if wanted:
        output.line(f"retort {importlib.metadata.version('retort')}")
        raise typer.Exit


@app.callback()
def global_options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="show the version and exit")
    ] = False,
) -> None:
    """Turn a big teacher network into a small one, specialized to your classes."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code. Errors are lines on standard error, never a traceback."""
    # What a terminal cannot show is escaped rather than fatal.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(arguments)
    except SystemExit as end:
        if end.code == EXIT_INTERRUPTED:
            output.fail("interrupted; a job that was submitted goes on (`retort cancel` ends it)")
        if isinstance(end.__context__, BrokenPipeError):  # in a text that typer writes itself, such as --help
            return EXIT_READER_GONE
        return int(end.code or 0)
    except output.ReaderGone:
        # The interpreter flushes standard output once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_READER_GONE
    except RetortError as error:
        output.fail(str(error))
        return error.exit_code
    except (ValueError, OSError) as error:
        output.fail(str(error))
        return EXIT_USAGE
    raise AssertionError("typer ends every command by SystemExit")
