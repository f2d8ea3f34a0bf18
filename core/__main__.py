"""The engine as a command: `python -m core`. The worker runs the same command with --events json."""

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from core.errors import SpecInvalid
from core.events import EXIT_USAGE


def main(arguments: list[str] | None = None) -> int:
    """Run one job, now or when it arrives, or print the catalogue; returns an exit status of core.events."""
    started = time.monotonic()
    parser = _parser()
    options = parser.parse_args(arguments)
    options.started = started
    if options.hosts > 1 and not options.rendezvous:
        parser.error(f"--hosts {options.hosts} need --rendezvous HOST:PORT, where they meet")
    if options.command == "catalogue":
        from core.networks.catalogue import as_text, catalogue

        print(as_text(catalogue()))
        return 0
    if options.command == "check":
        from core.process.check import check

        return check()
    if options.command == "wait":
        from core.process.standby import wait_for_job

        return main(wait_for_job())
    # Importing torch takes seconds: a misspelt knob should not wait for it.
    from core.spec import parse_job

    try:
        spec = parse_job(_document(options))
    except SpecInvalid as error:
        from core.process.reporter import tell_failure

        tell_failure(error, options.events)
        return EXIT_USAGE
    from core.process.run import run

    return run(spec, options)


FLAGS: dict[str, dict[str, Any]] = {
    "--spec": {"type": Path, "help": "the job as a JSON file; the flags below add to it"},
    "--teacher": {"help": "cifar/<name>, torchvision/<name>, timm/<name>, tensorflow/<name>, or a weights URI"},
    "--dataset": {"help": "a dataset URI, or a path on this machine"},
    "--student": {"help": "nano, tiny, small, medium, same, or an architecture"},
    "--method": {"help": "skd, kd, simkd, ...: how the student learns"},
    "--set": {
        "dest": "assignments",
        "action": "append",
        "default": [],
        "metavar": "PATH=VALUE",
        "help": "any field, such as training.epochs=3, or method.1.weight=2 of the second of several methods; VALUE is "
        "JSON or a word",
    },
    "--out": {"type": Path, "default": Path("runs/1"), "help": "for checkpoints and artifacts (default: %(default)s)"},
    "--cache": {"type": Path, "help": "folder for downloads and decoded images (default: OUT/cache)"},
    "--inputs": {"type": Path, "help": "folder with what job: and dataset: URIs name, a folder each"},
    "--policy": {"type": Path, "help": "operator limits as JSON (core.policy)"},
    "--secrets": {
        "type": Path,
        "help": "JSON file of the values of secret://NAME by name; it is removed when it has been read",
    },
    "--resume": {"action": "store_true", "help": "continue from the newest checkpoint in OUT"},
    "--plan": {"action": "store_true", "help": "stop before training and print what would be done"},
    "--events": {"choices": ["display", "json"], "default": "display", "help": "for a person, or a JSON object a line"},
    "--hosts": {"type": int, "default": 1, "help": "hosts that train together, each with the same command"},
    "--rendezvous": {"help": "HOST:PORT where they meet, on one of them (needed with --hosts)"},
    "--parent-pipe": {"type": int, "help": "file descriptor whose end of file says that the parent died"},
    "--parent-seconds": {"type": float, "help": "without a byte from that pipe for so long, the parent counts as dead"},
    "--spent-seconds": {
        "type": float,
        "help": "runtime of earlier attempts (default: as the checkpoint of --resume says)",
    },
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core", description="Specialize a teacher into a small network, with no server."
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["run", "catalogue", "check", "wait"],
        default="run",
        help="run a job, list the networks as JSON, check that this host can run one, or wait for a worker's job on "
        "standard input",
    )
    for flag, options in FLAGS.items():
        parser.add_argument(flag, **options)
    return parser


def _document(options: argparse.Namespace) -> dict[str, Any]:
    """The job as JSON from --spec and the flags; raises SpecInvalid for a file that is no JSON object."""
    from core.spec.assignment import assign

    document: Any = {}
    if options.spec is not None:
        try:
            document = json.loads(options.spec.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SpecInvalid([("", f"--spec {options.spec}: {error}")]) from None
    if not isinstance(document, dict):
        raise SpecInvalid([("", f"--spec {options.spec}: a JSON object is needed, not {type(document).__name__}")])
    for name in ("teacher", "student", "method"):
        if getattr(options, name) is not None:
            document[name] = getattr(options, name)
    if options.dataset is not None:
        document["dataset"] = options.dataset if ":" in options.dataset else Path(options.dataset).resolve().as_uri()
    for assignment in options.assignments:
        assign(document, assignment)
    return document


if __name__ == "__main__":
    # A reader that went away (a closed terminal, `| head`) ends the engine quietly.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        sys.exit(main())
    except ModuleNotFoundError as error:
        sys.exit(f"python -m core needs {error.name}, which the extra `engine` brings: pip install '.[engine]'")
