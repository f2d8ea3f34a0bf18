"""How far two feature maps are from each other. All maps are (N, D, H, W); float16 and bfloat16 become float32."""

from torch import Tensor
from torch.nn import functional

from core.methods.method import widen


def same_size(student_map: Tensor, teacher_map: Tensor) -> tuple[Tensor, Tensor]:
    """Both maps at the smaller one's height and width; never upsampled, which would invent detail."""
    height = min(student_map.shape[2], teacher_map.shape[2])
    width = min(student_map.shape[3], teacher_map.shape[3])
    return _pooled(student_map, height, width), _pooled(teacher_map, height, width)


def _pooled(feature_map: Tensor, height: int, width: int) -> Tensor:
    return (
        feature_map
        if feature_map.shape[2:] == (height, width)
        else functional.adaptive_avg_pool2d(feature_map, (height, width))
    )


def mse_distance(student_map: Tensor, teacher_map: Tensor) -> Tensor:
    """Mean squared difference over N, D, H, W (FitNet's form): duplicating channels leaves it unchanged."""
    return functional.mse_loss(widen(student_map), widen(teacher_map))


def cosine_distance(student_map: Tensor, teacher_map: Tensor) -> Tensor:
    """1 - cosine of the two D-vectors at each place, mean over N, H, W; in [0, 2]."""
    return 1 - functional.cosine_similarity(widen(student_map), widen(teacher_map), dim=1).mean()


def pkd_distance(student_map: Tensor, teacher_map: Tensor, *, eps: float = 1e-6) -> Tensor:
    """Half the mean squared difference of channels standardized over N, H, W (PKD, Cao et al., NeurIPS 2022).

    The standard deviation has n - 1 degrees of freedom, n = N H W, as in the authors' code, so that the distance of a
    channel is (1 - r) (n - 1) / n with Pearson's r. Multiplied out, (s / a - t / b)^2 / 2 = s^2 / 2 a^2 + t^2 / 2 b^2 -
    s t / a b with the deviations a and b: variances and covariance are a third of the work of standardized maps.
    """
    student, teacher = _centred(student_map), _centred(teacher_map)
    variances = [(each * each).mean(dim=0) for each in (student, teacher)]
    degrees = len(student) / max(len(student) - 1, 1)
    factors = [(variance * degrees + eps**2).rsqrt() for variance in variances]
    correlation = (student * teacher).mean(dim=0) * factors[0] * factors[1]
    own = sum(variance * each.square() for variance, each in zip(variances, factors, strict=True)) / 2
    return (own - correlation).mean()


def _centred(feature_map: Tensor) -> Tensor:
    """(N H W, D), which for a channels-last map moves nothing, less the mean of each channel."""
    places = widen(feature_map).permute(0, 2, 3, 1).flatten(0, 2)
    return places - places.mean(dim=0)


def attention_distance(student_map: Tensor, teacher_map: Tensor) -> Tensor:
    """Squared distance of the unit-length maps of mean squared activation, mean over N (Zagoruyko, Komodakis, ICLR
    2017). The maps may differ in channels.

    In [0, 2]: summed over H and W rather than averaged, so that it does not depend on the resolution.
    """
    return (_attention(student_map) - _attention(teacher_map)).square().sum(dim=1).mean()


def _attention(feature_map: Tensor) -> Tensor:
    return functional.normalize(widen(feature_map).square().mean(dim=1).flatten(1), dim=1)
