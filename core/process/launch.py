"""A training in several processes of one or several hosts, under torch's own launcher.

python -m core --spec job.json --set training.devices=cuda:4
python -m core --spec job.json --set training.devices=cuda:8 --hosts 2 --rendezvous host0:29500   # on both hosts
"""

import argparse
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from core.events import EXIT_INTERNAL, EXIT_INTERRUPTED
from core.spec import JobSpec
from core.spec.devices import num_processes
from core.system.device import count_gpus
from core.system.distributed import Ranks

Run = Callable[[JobSpec, argparse.Namespace, Ranks], int]
GRACE_SECONDS = 60  # for the first process to write its checkpoint
# The other processes wait for the first one, which may download, decode, run the teacher on all images, or evaluate for
# hours; torch's own time limit is ten minutes (NCCL) or thirty (gloo). This limit is not needed for a process that
# died: the launcher of its host notices that and ends the others.
PATIENCE = timedelta(days=1)


def launch(run: Run, spec: JobSpec, options: argparse.Namespace) -> int:
    """Call `run` in every process; returns the exit status of the first process of this host. Raises SpecInvalid,
    before any process is started, if this host has too few GPUs.

    `run` must be a function of a module, because each process starts anew and imports it.
    """
    has_gpus = count_gpus(spec.training) > 0
    with tempfile.TemporaryDirectory() as folder:
        status = Path(folder) / "status"
        config = LaunchConfig(
            min_nodes=options.hosts,
            max_nodes=options.hosts,
            nproc_per_node=num_processes(spec.training.devices),
            run_id="retort",
            rdzv_backend="c10d",
            rdzv_endpoint=options.rendezvous or "localhost:0",
            max_restarts=0,
            shutdown_timeout=GRACE_SECONDS,
        )
        try:
            elastic_launch(config, _rank_main)(run, spec.model_dump(mode="json"), options, has_gpus, str(status))
        except SignalException:
            return _told(status, EXIT_INTERRUPTED)
        except ChildFailedError:
            return _told(status, EXIT_INTERNAL)
        return _told(status, EXIT_INTERNAL)


def _told(status: Path, otherwise: int) -> int:
    """The exit status of the host's first process; a process that died has sent none."""
    return int(status.read_text()) if status.exists() else otherwise


def _rank_main(run: Run, document: dict, options: argparse.Namespace, has_gpus: bool, status: str) -> None:
    """One process of the training."""
    # Messages between ranks are in host memory; through a GPU they would have to wait for its work.
    dist.init_process_group("cpu:gloo,cuda:nccl" if has_gpus else "gloo", timeout=PATIENCE)
    ranks = Ranks(dist.get_rank(), dist.get_world_size(), dist.get_node_local_rank())
    if has_gpus:
        torch.cuda.set_device(ranks.local_rank)
    code = run(JobSpec.model_validate(document), options, ranks)
    if ranks.local_rank == 0:  # each host reports to a launcher of its own
        Path(status).write_text(str(code))
    dist.destroy_process_group()
    if code == EXIT_INTERRUPTED:
        # A return would wait until the launcher takes the result, which it does not do while it ends its processes.
        raise SystemExit(code)
