"""mdistiller (github.com/megvii-research/mdistiller): its tools/train.py, with KD."""

import importlib.util
from pathlib import Path
from types import ModuleType

from benchmarks.harness.pacing import Channel
from benchmarks.harness.request import Request, Unavailable
from benchmarks.peers.checkout import NUM_WORKERS, enter, paced, read_synthetic

INSTALL = "mdistiller needs yacs, which is not installed: .venv/bin/uv pip install --python .venv/bin/python yacs"


def run(request: Request, channel: Channel) -> None:
    """Run its main function until the channel says stop. Its validations are left out."""
    pacer = enter(request, channel, {"tensorboardX": "SummaryWriter"})
    if importlib.util.find_spec("yacs") is None:
        raise Unavailable(INSTALL)
    checkout = Path(str(request.checkout))
    train = _load(checkout / "tools/train.py")
    import mdistiller.dataset.cifar100
    import mdistiller.engine.trainer

    read_synthetic(request, mdistiller.dataset.cifar100)
    train.get_dataset = paced(train.get_dataset, pacer)
    mdistiller.engine.trainer.validate = lambda *args: (0.0, 0.0, 0.0)
    make_teacher, _ = train.cifar_model_dict["resnet32x4"]
    train.cifar_model_dict["resnet32x4"] = (make_teacher, str(request.inputs.checkpoint(request.work.teacher)))
    train.cfg.merge_from_file(str(checkout / "configs/cifar100/kd.yaml"))
    train.cfg.SOLVER.BATCH_SIZE = request.work.batch_size
    train.cfg.DATASET.NUM_WORKERS = int(NUM_WORKERS)
    train.cfg.LOG.WANDB = False
    train.main(train.cfg, False, [])


def _load(path: Path) -> ModuleType:
    """The script as a module; its folder is no package."""
    spec = importlib.util.spec_from_file_location("mdistiller_train", path)
    if spec is None or spec.loader is None:
        raise Unavailable(f"{path} is missing: is this a checkout of mdistiller?")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
