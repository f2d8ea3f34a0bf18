"""SimKD's repository (github.com/DefangChen/SimKD): its train_student.py, with KD or SimKD."""

import sys

from benchmarks.harness.pacing import Channel
from benchmarks.harness.request import Request
from benchmarks.peers.checkout import NUM_WORKERS, STUDENT, enter, paced, read_synthetic

# Weights of cross-entropy, KL divergence and the method's own loss: KD's as elsewhere, SimKD's as in its scripts.
WEIGHTS = {"kd": ["-c", "0.1", "-d", "0.9", "-b", "0"], "simkd": ["-c", "0", "-d", "0", "-b", "1", "-f", "2"]}


def run(request: Request, channel: Channel) -> None:
    """Run its main function until the channel says stop. Its validations are left out."""
    pacer = enter(request, channel, {"tensorboard_logger": "Logger", "dataset.imagenet_dali": "get_dali_data_loader"})
    import dataset.cifar100
    import train_student

    read_synthetic(request, dataset.cifar100)
    train_student.get_cifar100_dataloaders = paced(train_student.get_cifar100_dataloaders, pacer)
    train_student.validate_distill = lambda *args: (0.0, 0.0, 0.0)
    sys.argv = ["train_student.py", "--path_t", str(request.inputs.checkpoint(request.work.teacher))]
    sys.argv += ["--distill", request.work.method, "--model_s", STUDENT, *WEIGHTS[request.work.method]]
    sys.argv += ["--batch_size", str(request.work.batch_size), "--num_workers", NUM_WORKERS, "--skip-validation"]
    train_student.main()
