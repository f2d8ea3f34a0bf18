"""Which network a run ends with, where a classifier was fitted to the training images before its training.

On a few hundred photographs a published network with a fitted classifier is hard to beat, and a training that fits the
training images can lose to it (docs/explanation/photographs.md). Therefore the validation images decide.
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from core.data.augment import Augmenter
from core.data.dataset import Dataset
from core.evaluation.predict import predict
from core.job import PreparedRun
from core.networks.network import Network
from core.system.device import Arithmetic
from core.training.beginning import Poll, fit_beginning, fit_to_training_images
from core.training.build import build_beginning
from core.training.inputs import PreparedJob

LEAST_GAIN = 1.0  # standard errors


@dataclass(frozen=True)
class Ending:
    """A network that a run can end with."""

    name: str
    """In words that follow "ends with"."""
    network: Network
    right: Tensor
    """Bool (N,): which validation images it classifies correctly."""

    @property
    def top1(self) -> float:
        """Share of right answers on the validation images."""
        return self.right.double().mean().item()

    def gain_over(self, other: "Ending") -> float:
        """How many standard errors more validation images are right than with the other network, on the same images
        (McNemar 1947).
        """
        wins, losses = int((self.right & ~other.right).sum()), int((~self.right & other.right).sum())
        return (wins - losses) / math.sqrt(max(wins + losses, 1))


def choose_ending(job: PreparedJob, run: PreparedRun, trained: Network, poll: Poll) -> str | None:
    """Give the trained network, in place, the weights of the best of three on the validation images: those that the run
    began with, the trained ones, and these with a classifier that is fitted once more. One of the latter two is taken
    only if it is better than the first by more than a standard error, because few images can favour any by chance.

    Returns a sentence, or None where nothing was fitted before the training.
    """
    has_own_classifier = trained.architecture == run.spec.student.architecture
    if run.spec.student.classifier != "fitted" or not has_own_classifier:
        return None
    with job.workspace.ranks.first_goes_first():
        found = [
            _judged(name, network, run.dataset, run.augmenter, job.arithmetic)
            for name, network in _networks(job, run, trained, poll)
        ]
    begun = found[0]
    best = max(found, key=lambda ending: ending.gain_over(begun))
    if best.gain_over(begun) <= LEAST_GAIN:
        best = begun
    trained.load_state_dict(best.network.state_dict())
    others = ", ".join(f"{ending.name} {ending.top1:.1%}" for ending in found if ending is not best)
    return f"ends with {best.name}: {best.top1:.1%} of the validation images are right ({others})"


def _networks(job: PreparedJob, run: PreparedRun, trained: Network, poll: Poll) -> Iterator[tuple[str, Network]]:
    beginning = build_beginning(run, job.teachers, job.workspace).to(job.arithmetic.device)
    for _ in fit_beginning(job, run, beginning, poll):
        pass
    yield "the network that it began with", beginning
    yield "the trained network", trained
    refitted = copy.deepcopy(trained)
    fit_to_training_images(job, run, refitted, poll)
    yield "the trained network with its classifier fitted again", refitted


def _judged(name: str, network: Network, dataset: Dataset, augmenter: Augmenter, arithmetic: Arithmetic) -> Ending:
    validation = dataset.validation
    with arithmetic.autocast():
        logits = predict(network, validation.images, views=augmenter.test_views, device=arithmetic.device)
    return Ending(name, network, logits.argmax(dim=1) == validation.labels)
