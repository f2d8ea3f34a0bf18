"""The `retort` command.

Exit codes: 0 done; 1 the job failed, or `up` could not run; 2 wrong usage or an invalid spec; 3 no service answers;
4 the service refuses (not found, conflict); 5 the job was cancelled; 6 a download is corrupt; 130 interrupted.
"""

import sys

import typer

from retort import output
from retort.commands import catalogues, files, jobs, local, submit
from retort.errors import RetortError

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="retort",
    help="Turn a big teacher network into a small one, specialized to your classes.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    local.up,
    submit.submit,
    submit.plan,
    jobs.jobs,
    jobs.show,
    jobs.watch,
    jobs.cancel,
    jobs.retry,
    jobs.delete,
    files.download,
    jobs.metrics,
    catalogues.methods,
    catalogues.students,
    catalogues.teachers,
    local.settings,
):
    app.command()(command)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code. Errors are a line on standard error, never a traceback."""
    try:
        app(arguments)
    except SystemExit as end:
        if end.code == EXIT_INTERRUPTED:
            output.complain("interrupted; a job that was submitted goes on (`retort cancel` ends it)")
        return int(end.code or 0)
    except RetortError as error:
        output.complain(str(error))
        return error.exit_code
    except (ValueError, OSError) as error:
        output.complain(str(error))
        return EXIT_USAGE
    raise AssertionError("typer ends every command by SystemExit")


if __name__ == "__main__":
    sys.exit(main())
