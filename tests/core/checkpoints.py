"""A small trained network and the ways in which training programs save it."""

import argparse
import datetime
import pathlib
import types
from collections import OrderedDict, defaultdict

import numpy as np
import torch

State = dict[str, torch.Tensor]


def below(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


def other(state: State) -> State:
    """Another network of the same names and shapes."""
    return {key: value * 0 + 1 for key, value in state.items()}


def optimizer(state: State) -> dict[str, object]:
    moments = {number: {"step": torch.tensor(3.0), "exp_avg": value} for number, value in enumerate(state.values())}
    return {"state": moments, "param_groups": [{"lr": 0.1, "params": list(range(len(state)))}]}


def without_head(state: State) -> State:
    return {key: value for key, value in state.items() if not key.startswith("fc.")}


def arguments() -> argparse.Namespace:
    return argparse.Namespace(lr=0.1, data=pathlib.PurePosixPath("/data"), mean=(0.5, 0.5, 0.5))


WAYS = {
    "timm": lambda s: {"epoch": 3, "arch": "resnet8", "state_dict": s, "optimizer": optimizer(s), "args": arguments(),
                       "version": 2, "metric": 71.2},
    "timm with an average": lambda s: {"state_dict": other(s), "state_dict_ema": s, "args": arguments()},
    "a path in hyper-parameters": lambda s: {"state_dict": below("model.", s), "pytorch-lightning_version": "2.4.0",
                                             "hyper_parameters": {"root": pathlib.Path("/data/images")}},
    "a loss beside model": lambda s: {"state_dict": below("model.", s) | {"criterion.weight": torch.ones(5)}},
    "metrics beside net": lambda s: {"state_dict": below("net.", s) | {"train_acc.correct": torch.ones(5),
                                                                      "val_metrics.total": torch.tensor(3)}},
    "a loss beside plain names": lambda s: s | {"criterion.weight": torch.ones(5), "loss_fn.pos_weight": torch.ones(5)},
    "ema-pytorch": lambda s: below("ema_model.", s) | below("online_model.", other(s)) | {
        "initted": torch.tensor(True), "step": torch.tensor(9)},
    "AveragedModel": lambda s: {"n_averaged": torch.tensor(7)} | below("module.", s),
    "numpy scalar": lambda s: {"state_dict": s, "best_acc1": np.float64(71.2), "best_epoch": np.int64(3)},
    "numpy array": lambda s: {"state_dict": s, "classes_seen": np.arange(5)},
    "numpy arrays for tensors": lambda s: {key: value.numpy() for key, value in s.items()},
    "numpy arrays in Fortran order": lambda s: {key: np.asfortranarray(value.numpy()) for key, value in s.items()},
    "DataParallel": lambda s: {"state_dict": below("module.", s), "best_acc1": torch.tensor(71.2)},
    "torch.compile": lambda s: below("_orig_mod.", s),
    "compiled in Lightning": lambda s: {"state_dict": below("model._orig_mod.", s)},
    "fairscale": lambda s: {"model": below("_fpw_module.", s), "args": arguments()},
    "FSDP in every block": lambda s: {
        "_fsdp_wrapped_module." + key.replace("layer1.", "layer1._fsdp_wrapped_module."): value
        for key, value in s.items()},
    "activation checkpoints": lambda s: {
        key.replace("layer2.0.", "layer2.0._checkpoint_wrapped_module."): value for key, value in s.items()},
    "compiled DataParallel": lambda s: {"net": below("module._orig_mod.", s), "acc": 93.1, "epoch": 200},
    "fairseq": lambda s: {"args": None, "model": below("encoder.", s), "last_optimizer_state": optimizer(s)},
    "ema key": lambda s: {"model": other(s), "ema": s},
    "ema with a counter": lambda s: {"model": other(s), "ema": {"module": s, "num_updates": 100}},
    "model_ema": lambda s: {"model": other(s), "model_ema": s, "optimizer": optimizer(s), "scaler": {"scale": 2.0}},
    "shadow": lambda s: {"ema_state": {"shadow": s, "decay": 0.99}},
    "student and another teacher": lambda s: below("student.", s) | below("teacher.", {"conv.weight": s["fc.weight"]}),
    "mean teacher": lambda s: {"student": other(s), "teacher": s},
    "backbone": lambda s: {"state_dict": below("backbone.", s)},
    "encoder and predictor": lambda s: below("encoder.", s) | {"predictor.0.weight": torch.ones(7, 7)},
    "momentum encoders": lambda s: below("module.encoder_q.", s) | below("module.encoder_k.", other(s)) | {
        "module.queue": torch.ones(8, 16), "module.queue_ptr": torch.zeros(1).long()},
    "mmpretrain": lambda s: {"meta": {"epoch": 3, "time": datetime.datetime(2026, 1, 1)}, "state_dict": s},
    "a list of networks": lambda s: {"models": [s], "weights": [1.0]},
    "deep nest": lambda s: {"trainer": {"ema": {"module": {"model": s}}}},
    "parameters": lambda s: OrderedDict((key, torch.nn.Parameter(value) if value.is_floating_point() else value)
                                        for key, value in s.items()),
    "defaultdict": lambda s: defaultdict(dict, {"state_dict": s}),
    "SimpleNamespace": lambda s: {"cfg": types.SimpleNamespace(lr=1), "model": s},
    "date": lambda s: {"saved": datetime.date(2026, 1, 1), "took": datetime.timedelta(1), "model": s},
    "tensors in other keys": lambda s: {"model": s, "mean": torch.zeros(3), "class_weights": torch.ones(5)},
    "thop": lambda s: s | {"total_ops": torch.zeros(1), "layer1.0.conv1.total_params": torch.zeros(1)},
    "a further head": lambda s: s | {"aux_head.weight": torch.ones(5, 16), "aux_head.bias": torch.ones(5)},
    "a projection head": lambda s: s | {"projection_head.0.weight": torch.ones(8, 16),
                                        "projection_head.1.running_mean": torch.ones(8)},
    "head named linear": lambda s: {key.replace("fc.", "linear."): value for key, value in s.items()},
    "head named linear beside a loss": lambda s: {"state_dict": {
        key.replace("fc.", "model.linear.") if key.startswith("fc.") else f"model.{key}": value
        for key, value in s.items()} | {"criterion.weight": torch.ones(5)}},
    "no batch counters": lambda s: {key: value for key, value in s.items() if "num_batches" not in key},
    "float64": lambda s: {key: value.double() if value.is_floating_point() else value for key, value in s.items()},
}  # fmt: skip
