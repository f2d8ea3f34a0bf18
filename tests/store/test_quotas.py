"""What counts as stored: artifacts, and the checkpoints that are kept."""

import pytest

from store import leases, quotas
from store.callers import Caller, Limits
from store.errors import QuotaExceeded
from tests.store.conftest import Bench

CALLER = Caller("default", "ada", "submit")


def stored(bench: Bench) -> int:
    return int(bench.read(quotas.stored_bytes, "default"))


def test_artifacts_and_kept_checkpoints_are_stored_bytes(bench: Bench) -> None:
    lease = bench.running()
    for step, content in enumerate((b"a" * 100, b"b" * 200, b"c" * 400)):
        bench.do(leases.save_checkpoint, lease, bench.blob(content), f"{step}", step)
    assert stored(bench) == 600  # the last, and the one before it
    sha256 = bench.blob(b"d" * 1000)
    bench.do(leases.add_artifact, lease, "model.onnx", "application/octet-stream", sha256, 1000)
    assert stored(bench) == 1600
    bench.do(quotas.check_submit, CALLER, Limits(max_stored_bytes=1601))
    with pytest.raises(QuotaExceeded):
        bench.do(quotas.check_submit, CALLER, Limits(max_stored_bytes=1600))
