"""Fills a pruned network from the whole one, with the channels that matter for a job's images
(core.networks.channel_selection).
"""

from collections.abc import Callable

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from core.data.dataset import Split
from core.evaluation.predict import Views, predict
from core.files.result_cache import ResultCache, content_address
from core.networks.channel_selection import Moments, refitted, select_channels
from core.networks.head import without_classifier
from core.networks.inference import frozen_copy, in_layout
from core.networks.network import Network
from core.networks.pruned import HiddenLayer, hidden_layers, keep_channels
from core.system.device import images_at_once

KIND = "pruned-network"
_FORM = 1  # increased whenever a change of the code changes the result: part of every cache address
MAX_IMAGES = 1000
PIXELS = 48  # of each image and layer, drawn at random: neighbours are much alike
PORTIONS = 4  # forward passes between two polls


def prune_to_images(
    student: Network,
    whole: Network,
    most: int,
    split: Split,
    *,
    fingerprint: str,
    views: Views,
    device: torch.device,
    result_cache: ResultCache,
    poll: Callable[[], None] = lambda: None,
) -> None:
    """Give the student, in place, all weights of `whole` but for the classifier's, with `most` hidden channels at most
    in a block. `whole` is used up.

    `fingerprint` identifies the images, for the cache: later jobs with the same network and images share the result.
    `poll` is called now and then, and may raise.
    """
    facts = {"form": _FORM, "images": fingerprint, "size": whole.input.size, "most": most, "device": device.type}
    facts |= {"architecture": whole.architecture, "torch": torch.__version__}
    address = content_address(facts, without_classifier(whole))
    content = result_cache.recall(KIND, address)
    if content is None:
        _prune(whole, most, split, views, device, poll)
        content = save({name: value.contiguous() for name, value in without_classifier(whole).items()})
        result_cache.keep(KIND, address, content)
    student.module.load_state_dict(load(content), strict=False)


def _prune(
    whole: Network, most: int, split: Split, views: Views, device: torch.device, poll: Callable[[], None]
) -> None:
    layers = [layer for layer in hidden_layers(whole.module) if layer.channels > most]
    moments = _moments(whole, layers, split, views, device, poll)
    for layer in layers:
        poll()
        _prune_layer(whole.module, layer, moments[layer.project], most)


def _prune_layer(module: nn.Module, layer: HiddenLayer, moments: Moments, most: int) -> None:
    project, norm = module.get_submodule(layer.project), module.get_submodule(layer.norm)
    weight = project.get_parameter("weight").detach()[:, :, 0, 0].cpu()
    mean, covariance = moments.mean_and_covariance()
    kept = select_channels(covariance, weight, most)
    fitted, constant = refitted(mean, covariance, weight, kept)
    keep_channels(module, layer, kept)
    with torch.no_grad():
        project.get_parameter("weight").copy_(fitted[:, :, None, None])
        # The batch norm subtracts its running mean from the projection's output.
        norm.get_buffer("running_mean").sub_(constant.to(norm.get_buffer("running_mean").device))


def _moments(
    whole: Network,
    layers: list[HiddenLayer],
    split: Split,
    views: Views,
    device: torch.device,
    poll: Callable[[], None],
) -> dict[str, Moments]:
    """The moments of what each projection reads, by its path."""
    found = {layer.project: Moments.of_none(layer.channels) for layer in layers}
    network = in_layout(frozen_copy(whole).to(device))
    generator = torch.Generator().manual_seed(0)
    for layer in layers:
        network.module.get_submodule(layer.project).register_forward_pre_hook(
            lambda _, inputs, path=layer.project: found[path].add(_sampled(inputs[0], generator))
        )
    images = split.images
    chosen = torch.linspace(0, len(images) - 1, min(len(images), MAX_IMAGES)).long()
    at_once = PORTIONS * images_at_once(images.shape[-1], device)
    for places in chosen.split(at_once):
        poll()
        predict(network, images[places], views=views, device=device)
    return found


def _sampled(maps: Tensor, generator: torch.Generator) -> Tensor:
    """Maps (N, H, S, S) at up to PIXELS random pixels of each image: float32 (P, H)."""
    rows = maps.flatten(2).transpose(1, 2).float()
    if rows.shape[1] > PIXELS:
        places = torch.randint(rows.shape[1], (len(rows), PIXELS), generator=generator).to(rows.device)
        rows = rows.gather(1, places[:, :, None].expand(-1, -1, rows.shape[2]))
    return rows.flatten(0, 1)
