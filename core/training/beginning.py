"""What the training images decide about the network that a run begins with: the channels of a pruned network, and a
fitted classifier.
"""

from collections.abc import Callable, Iterator

from core.evaluation.linear_probe import fit_classifier
from core.evaluation.pruning import prune_to_images
from core.job import PreparedRun
from core.networks import zoo
from core.networks.network import Network
from core.spec.pruned import split_pruned
from core.training.inputs import PreparedJob

Poll = Callable[[], None]


def fit_beginning(job: PreparedJob, run: PreparedRun, student: Network, poll: Poll) -> Iterator[str]:
    """Fit the student, in place, where its spec says so; yields a sentence on each thing done.

    `poll` is called now and then, and may raise.
    """
    architecture, most = split_pruned(run.spec.student.architecture)
    if most is not None and run.spec.student.weights == "published":
        _prune(job, run, student, architecture, most, poll)
        yield f"its blocks keep the {most} channels that matter most for the training images, refitted to them"
    if run.spec.student.classifier == "fitted":
        fit_to_training_images(job, run, student, poll)
        yield "its classifier is fitted to its features of the training images"


def _prune(job: PreparedJob, run: PreparedRun, student: Network, architecture: str, most: int, poll: Poll) -> None:
    workspace = job.workspace
    with workspace.ranks.first_goes_first():
        whole = zoo.build(
            architecture,
            image_size=run.training.image_size,
            pretrained=True,
            policy=workspace.policy,
            cache=workspace.cache,
        )
        prune_to_images(
            student,
            whole.eval(),
            most,
            run.dataset.train,
            fingerprint=run.dataset.facts.fingerprint,
            views=run.augmenter.test_views,
            device=job.arithmetic.device,
            result_cache=workspace.result_cache,
            poll=poll,
        )


def fit_to_training_images(job: PreparedJob, run: PreparedRun, student: Network, poll: Poll) -> None:
    """Fit the classifier of a network, in place, to its features of the run's training images."""
    with job.workspace.ranks.first_goes_first():
        fit_classifier(
            student,
            run.dataset.train,
            fingerprint=run.dataset.facts.fingerprint,
            views=run.augmenter.test_views,
            device=job.arithmetic.device,
            result_cache=job.workspace.result_cache,
            poll=poll,
        )
