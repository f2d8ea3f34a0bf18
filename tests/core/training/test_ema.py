"""The moving average of weights against a loop in numpy."""

from typing import Any

import numpy as np
import torch
from tiny import make_context, make_trainer, make_training, same_weights, snapshot
from torch import nn

from core.methods.scratch import Scratch
from core.spec.knobs.scratch import ScratchKnobs
from core.training.ema import ExponentialAverage


def module() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def move(network: Any, seed: Any) -> None:
    draws = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.randn(value.shape, generator=draws))
            else:
                value.add_(1)


def test_it_is_the_recursion_with_a_quick_start() -> None:
    network = module()
    averaged = ExponentialAverage(network, 0.9)
    expected = network[0].weight.detach().numpy().copy()
    for step in range(120):
        move(network, step)
        averaged.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * network[0].weight.detach().numpy()
    np.testing.assert_allclose(averaged.average["0.weight"].numpy(), expected, atol=1e-5)


def test_running_statistics_are_averaged_and_counters_follow() -> None:
    network = module()
    averaged = ExponentialAverage(network, 0.5)
    before = network[1].running_mean.clone()
    move(network, 1)
    averaged.update(100)
    torch.testing.assert_close(averaged.average["1.running_mean"], (before + network[1].running_mean) / 2)
    assert averaged.average["1.num_batches_tracked"] == network[1].num_batches_tracked == 1


def test_in_place_swaps_and_gives_back_bit_for_bit_even_after_an_error() -> None:
    network = module()
    averaged = ExponentialAverage(network, 0.5)
    move(network, 2)
    own = snapshot(network)
    try:
        with averaged.in_place():
            assert same_weights(network.state_dict(), averaged.state_dict())
            assert not same_weights(network.state_dict(), own)
            raise KeyError
    except KeyError:
        pass
    assert same_weights(network.state_dict(), own)


def test_a_checkpoint_goes_on() -> None:
    one, other = module(), module()
    averaged, resumed = ExponentialAverage(one, 0.9), None
    for step in range(10):
        move(one, step)
        averaged.update(step)
        if step == 4:
            saved = {name: value.clone() for name, value in averaged.state_dict().items()}
            other.load_state_dict(one.state_dict())
            resumed = ExponentialAverage(other, 0.9)
            resumed.load_state_dict(saved)
        elif step > 4:
            move(other, step)
            resumed.update(step)
    assert same_weights(averaged.state_dict(), resumed.state_dict())


def test_a_cut_training_that_did_not_average_goes_on_averaging_from_its_weights() -> None:
    """Its length decides by default whether a training averages, and a resumed one may be given another."""

    def trainer(**training: Any) -> Any:
        return make_trainer(Scratch(ScratchKnobs(), make_context(image_size=8)), make_training(**training))

    cut = trainer(max_steps=3)
    cut.run()
    resumed = trainer(max_steps=5, ema_decay=0.9)
    resumed.load_state_dict(cut.state_dict())
    assert same_weights(resumed.ema.average, snapshot(cut.method.deployed()))
    resumed.run()
    assert not same_weights(snapshot(resumed.method.deployed()), snapshot(cut.method.deployed()))
