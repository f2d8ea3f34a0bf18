"""RepDistiller (github.com/HobbitLong/RepDistiller): its train_student.py, with KD."""

import sys

from benchmarks.harness.pacing import Channel
from benchmarks.harness.request import Request
from benchmarks.peers.checkout import NUM_WORKERS, STUDENT, enter, paced, read_synthetic


def run(request: Request, channel: Channel) -> None:
    """Run its main function until the channel says stop. Its check of the teacher and its validations are left out."""
    pacer = enter(request, channel, {"tensorboard_logger": "Logger"})
    import dataset.cifar100
    import train_student

    read_synthetic(request, dataset.cifar100)
    train_student.get_cifar100_dataloaders = paced(train_student.get_cifar100_dataloaders, pacer)
    train_student.validate = lambda *args: (0.0, 0.0, 0.0)
    sys.argv = ["train_student.py", "--path_t", str(request.inputs.checkpoint(request.work.teacher))]
    sys.argv += ["--distill", "kd", "--model_s", STUDENT, "-r", "0.1", "-a", "0.9", "-b", "0"]
    sys.argv += ["--batch_size", str(request.work.batch_size), "--num_workers", NUM_WORKERS]
    train_student.main()
