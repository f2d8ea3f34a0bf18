"""How a network is trained: optimizer, schedule, augmentation, limits."""

from typing import Annotated, Literal

from pydantic import Field

from core.spec.devices import PATTERN
from core.spec.part import Auto, Part


class EarlyStopping(Part):
    """Stop when a validation metric has not improved for `patience` epochs; the best epoch's weights are kept."""

    metric: Literal["val/top1", "val/loss"] = Field("val/top1", description="top1 rises, loss falls")
    patience: int = Field(10, ge=1, description="epochs without improvement")


class TrainingSpec(Part):
    """How the student is trained. The baselines are trained in the same way, for the same number of steps."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] | Auto = Field(
        "auto", description="passes over the training split; auto: depends on its size and on the initial weights"
    )
    max_steps: int | None = Field(
        None, ge=1, description="optimizer steps after which training ends, even if `epochs` asks for more"
    )
    batch_size: Annotated[int, Field(ge=1, le=65_536)] | Auto = Field(
        "auto", description="images in a batch; auto: 64, or fewer for a smaller training split"
    )
    learning_rate: Annotated[float, Field(gt=0)] | Auto = Field(
        "auto", description="peak learning rate; auto: depends on optimizer, method and batch size"
    )
    optimizer: Literal["auto", "sgd", "muon", "adamw"] = Field(
        "auto",
        description="sgd: with Nesterov momentum 0.9; muon: sgd with orthogonalized updates of convolution kernels, at "
        "the same rates; adamw; auto: adamw for photographs where the training begins with a fitted classifier, "
        "sgd there for other given weights, for method finetune and for methods in which a teacher or a generator "
        "learns too, muon for other convolutional students",
    )
    weight_decay: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto",
        description="auto: 5e-4 for sgd (on all parameters, added to the gradient), 0.1 for muon (on convolution "
        "kernels, separate from the gradient), 0.05 for adamw (on all parameters but vectors, likewise separate)",
    )
    schedule: Literal["auto", "cosine", "multistep", "onecycle", "constant"] = Field(
        "auto",
        description="of the learning rate, updated at each step; auto: constant with averaged weights, if the student "
        "starts with random weights and trains for at most eight epochs; else cosine",
    )
    milestones: tuple[float, ...] = Field(
        (0.625, 0.75, 0.875),
        max_length=1000,
        description="multistep: the rate falls after these shares of all steps (150, 180, 210 of 240)",
    )
    decay_factor: float = Field(0.1, gt=0, lt=1, description="multistep: the factor by which the rate is multiplied")
    warmup_epochs: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto",
        description="epochs in which the rate rises linearly; auto: a tenth of the steps if `schedule` is auto and "
        "becomes constant, else 0",
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of each label that is spread over all classes")
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | Auto | None = Field(
        "auto",
        description="decay per step of an exponential moving average of the weights, which then is the result; null: "
        "no averaging; auto: 0.99 if `schedule` is auto and becomes constant, else null",
    )
    augmentation: Literal["auto", "none", "crop", "light", "strong"] = Field(
        "auto",
        description="crop: random crops; light: crop and flip; strong: these and RandAugment; auto: light, but crop "
        "for builtin:digits, and none for trainings of at most eight epochs",
    )
    mixup_alpha: float = Field(0.0, ge=0, description="Beta(alpha, alpha) of mixup; 0: off")
    cutmix_alpha: float = Field(
        0.0,
        ge=0,
        description="Beta(alpha, alpha) of CutMix; 0: off. If both are on, each batch uses one of them at random",
    )
    clip_gradient_norm: Annotated[float, Field(gt=0)] | Auto | None = Field(
        "auto",
        description="largest global L2 norm of the gradients; null: no clipping; auto: as the method's authors, 1 for "
        "method prokt, else null",
    )
    batch_norm: Literal["auto", "batch", "frozen"] = Field(
        "auto",
        description="the mean and variance by which the student's batch norms normalize while it trains. batch: those "
        "of the batch; frozen: those of the initial weights, which stay; auto: frozen if all layers are trained behind "
        "a fitted classifier, else batch",
    )
    early_stopping: EarlyStopping | None = Field(None, description="null: train all epochs")
    image_size: Annotated[int, Field(ge=8, le=1024)] | Auto = Field(
        "auto", description="height and width of the student's input, pixels; auto: depends on the dataset's images"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="auto: bf16 if the device has instructions for it (GPU, CPU with AVX-512 BF16 or AMX), else fp32",
    )
    teacher_precision: Literal["auto", "same", "int8"] = Field(
        "auto",
        description="of a frozen teacher during training. same: as `precision`; int8: convolutions in 8-bit integers "
        "if that is faster and the outputs change little, else same; needs a CPU with AVX-512 VNNI; auto: int8 if the "
        "CPU has that and `precision` is auto, else same",
    )
    kernels: Literal["auto", "torch", "own"] = Field(
        "auto",
        description="for 3x3 convolutions and batch norms of networks that are trained on a CPU. own: the engine's own "
        "faster kernels, which a C++ compiler builds when they are first used; they need precision bf16 and a CPU with "
        "AVX-512 BF16; auto: own if these are available and the training is not very short, else torch",
    )
    compile: Auto | bool = Field(
        "auto",
        description="whether networks are compiled by torch.compile; auto: on a GPU, if the training is long enough to "
        "gain",
    )
    teacher_pass: Literal["auto", "live", "stored"] = Field(
        "auto",
        description="live: the teacher runs on every batch; stored: it runs once on `stored_views` views of each "
        "image, and its outputs are read from disk, also by later jobs; auto: stored if the method allows it and it "
        "is faster",
    )
    stored_views: Annotated[int, Field(ge=1, le=1024)] | Auto = Field(
        "auto",
        description="views of each image in a stored teacher pass; each epoch uses the next view; auto: 8, without "
        "augmentation 1",
    )
    stored_precision: Literal["fp16", "int8"] = Field("fp16", description="of the outputs in a stored teacher pass")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of weights, splits, order and augmentation")
    micro_batch_size: Annotated[int, Field(ge=1, le=65_536)] | Auto = Field(
        "auto",
        description="images that go through the networks at once; the gradients are summed over the batch; auto: the "
        "whole batch, halved when memory runs out",
    )
    devices: Annotated[str, Field(pattern=PATTERN)] = Field(
        "auto",
        description="auto, cpu or cuda, and how many: cuda:4 trains on four GPUs of one host, cpu:2 in two processes; "
        "auto: one GPU if there is one, else the CPU; auto:4: four GPUs, or four processes on a host without a GPU",
    )
    keep_trajectory: int = Field(
        0,
        ge=0,
        le=1000,
        description="checkpoints of the student's own training to publish, evenly spaced, for method rco",
    )
    checkpoint_seconds: float = Field(
        60.0,
        gt=0,
        description="longest time between checkpoints; the end of an epoch is one too, after a tenth of this time",
    )
    max_runtime_seconds: float | None = Field(
        None, gt=0, description="seconds, summed over all attempts, after which the job fails; null: no limit"
    )
    deadline_seconds: float | None = Field(
        None,
        gt=0,
        description="seconds from the engine's start to the published files, summed over all attempts, within which "
        "the job gives the best network that it can; baselines and further seeds come on top. The number of steps, "
        "the stored views and the decay of the learning rate follow from the time; `epochs` and `max_steps` stay "
        "upper limits. null: the training is as long as `epochs` says",
    )
