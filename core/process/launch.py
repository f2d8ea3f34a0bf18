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
# The others wait for the first one, which may download, decode, have a teacher see all images, or evaluate for hours;
# torch's own patience is ten minutes (NCCL) or thirty (gloo). A process that died is no matter of patience: its host's
# launcher sees that and ends the rest.
PATIENCE = timedelta(days=1)


def launch(run: Run, spec: JobSpec, options: argparse.Namespace) -> int:
    """`run` in every process; the exit status of this host's first. Raises SpecInvalid, before any process is started,
    where this host has too few GPUs.

    `run` must be a module's function: the processes are started afresh and import it.
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
    """What the host's first process ended with; one that died told nothing."""
    return int(status.read_text()) if status.exists() else otherwise


def _rank_main(run: Run, document: dict, options: argparse.Namespace, has_gpus: bool, status: str) -> None:
    """One process of the training."""
    # What ranks tell each other between steps lies on the host; through a GPU they would wait for its work.
    dist.init_process_group("cpu:gloo,cuda:nccl" if has_gpus else "gloo", timeout=PATIENCE)
    ranks = Ranks(dist.get_rank(), dist.get_world_size(), dist.get_node_local_rank())
    if has_gpus:
        torch.cuda.set_device(ranks.local_rank)
    code = run(JobSpec.model_validate(document), options, ranks)
    if ranks.local_rank == 0:  # each host has a launcher of its own to tell
        Path(status).write_text(str(code))
    dist.destroy_process_group()
    if code == EXIT_INTERRUPTED:
        # Returning would wait for the launcher to take the result, which it does not while it ends its processes.
        raise SystemExit(code)
