"""Views against slow references that go image by image and pixel by pixel, from the same draws."""

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from core.data import randaugment
from core.data.augment import MAX_ASPECT, MIN_AREA, POLICIES, Augmenter, mix, padded_crop, resized_crop


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_images(n: int = 24, size: int = 16, seed: int = 1) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=generator(seed))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("canvas", [16, 18])
def test_one_state_gives_the_same_views_in_range(policy: str, canvas: int) -> None:
    images = some_images(size=canvas)
    kept = images.clone()
    first, again = (Augmenter(policy, 16).train_views(images, generator()) for _ in range(2))
    assert (first.shape, first.dtype) == ((24, 3, 16, 16), torch.float32)
    assert torch.equal(first, again)
    assert torch.equal(images, kept)
    assert first.min() >= 0 and first.max() <= 1
    if policy != "none":
        assert not torch.equal(first, Augmenter(policy, 16).train_views(images, generator(5)))


def test_test_views_are_the_centre() -> None:
    images = some_images(size=18)
    assert torch.equal(Augmenter("strong", 16).test_views(images), images[:, :, 1:17, 1:17].float() / 255)


def test_an_unknown_policy_names_the_allowed() -> None:
    with pytest.raises(ValueError, match="'stong'; allowed: none, crop, light, strong"):
        Augmenter("stong", 16)


@pytest.mark.parametrize("flips", [True, False])
def test_padded_crop_pixel_by_pixel(flips: bool) -> None:
    images, pad, size = some_images(), 2, 16
    draws = generator()
    top, left = (torch.rand(24, generator=draws) for _ in range(2))
    flip = torch.rand(24, generator=draws) < 0.5 if flips else [False] * 24
    views = padded_crop(images, pad, generator(), flips=flips)
    shifts = set()
    for n in range(24):
        picture = images[n].permute(1, 2, 0).numpy()
        bordered = np.zeros((size + 2 * pad, size + 2 * pad, 3), np.uint8)
        bordered[pad:-pad, pad:-pad] = picture
        y, x = int(top[n] * 5), int(left[n] * 5)
        shifts.add((y, x))
        crop = bordered[y : y + size, x : x + size]
        crop = crop[:, ::-1] if flip[n] else crop
        assert np.array_equal((views[n] * 255).round().byte().permute(1, 2, 0).numpy(), crop)
    assert len(shifts) > 10


def test_every_shift_and_both_sides_occur_equally() -> None:
    image = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    image[:, :, 4, 3] = 255
    views = padded_crop(image.expand(9000, -1, -1, -1), 1, generator(), flips=True)
    places = views[:, 0].flatten(1).argmax(1)
    counts = torch.bincount(places)[torch.bincount(places) > 0]
    # Columns 2, 3, 4 and their mirrors 5, 4, 3 over three rows: 12 places, the middle ones twice as often.
    assert len(counts) == 12
    assert counts.sum() == 9000
    assert (counts.float() / 9000 * 18 - torch.tensor([1.0, 2, 2, 1] * 3)).abs().max() < 0.25


def bilinear(picture: np.ndarray, y: float, x: float) -> np.ndarray:
    """The colour at a fractional place, in pixel centres, mirrored at the border's edge."""
    size = picture.shape[0]

    def inside(index: int) -> int:
        return -1 - index if index < 0 else (2 * size - 1 - index if index >= size else index)

    y0, x0 = math.floor(y), math.floor(x)
    total = np.zeros(3)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (1 - abs(y - y0 - dy)) * (1 - abs(x - x0 - dx))
        total += weight * picture[inside(y0 + dy), inside(x0 + dx)]
    return total


def test_resized_crop_pixel_by_pixel() -> None:
    images, size, canvas = some_images(6, 18), 16, 18
    draws = generator(3)
    area, aspect, x, y, flip = (torch.rand(6, generator=draws, dtype=torch.float32).tolist() for _ in range(5))
    views = resized_crop(images, size, generator(3), flips=True)
    for n in range(6):
        picture = images[n].permute(1, 2, 0).numpy() / 255
        box = MIN_AREA + (1 - MIN_AREA) * area[n]
        ratio = MAX_ASPECT ** (2 * aspect[n] - 1)
        width, height = min(1, math.sqrt(box * ratio)) * canvas, min(1, math.sqrt(box / ratio)) * canvas
        left, top = x[n] * (canvas - width), y[n] * (canvas - height)
        for i, j in ((0, 0), (3, 9), (15, 15), (7, 0)):
            column = size - 1 - j if flip[n] < 0.5 else j
            expected = bilinear(
                picture, top + (i + 0.5) * height / size - 0.5, left + (column + 0.5) * width / size - 0.5
            )
            assert np.abs(views[n, :, i, j].numpy() - expected).max() < 1e-4


# --- RandAugment against Pillow ---------------------------------------------------------------------------------------


def smooth_images(n: int = 3, size: int = 32) -> torch.Tensor:
    """Blurred noise, in steps of 1/255, so that resampling differences stay small."""
    images = []
    for seed in range(n):
        noise = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
        images.append(np.asarray(ImageOps.autocontrast(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2)))))
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def picture_of(view: torch.Tensor) -> Image.Image:
    return Image.fromarray((view * 255).round().byte().permute(1, 2, 0).numpy())


ENHANCERS = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "color": ImageEnhance.Color,
    "sharpness": ImageEnhance.Sharpness,
}
GREY = (128, 128, 128)


def by_pillow(name: str, picture: Image.Image, strength: float) -> Image.Image:
    """What Pillow makes of it; geometry as timm's RandAugment does it, about the centre."""
    if name in ENHANCERS:
        return ENHANCERS[name](picture).enhance(1 + 0.9 * strength)
    if name == "posterize":
        return ImageOps.posterize(picture, 8 - round(4 * abs(strength)))
    if name == "solarize":
        return ImageOps.solarize(picture, math.ceil((1 - abs(strength)) * 255))
    if name == "auto_contrast":
        return ImageOps.autocontrast(picture)
    if name == "equalize":
        return ImageOps.equalize(picture)
    if name == "identity":
        return picture
    middle = picture.width / 2
    angle = math.radians(30) * strength
    a, b, c, d, e, f = {
        "rotate": (math.cos(angle), -math.sin(angle), 0, math.sin(angle), math.cos(angle), 0),
        "shear_x": (1, 0.3 * strength, 0, 0, 1, 0),
        "shear_y": (1, 0, 0, 0.3 * strength, 1, 0),
        "shift_x": (1, 0, 0.45 * strength * picture.width, 0, 1, 0),
        "shift_y": (1, 0, 0, 0, 1, 0.45 * strength * picture.width),
    }[name]
    about = (a, b, middle - a * middle - b * middle + c, d, e, middle - d * middle - e * middle + f)
    return picture.transform(picture.size, Image.Transform.AFFINE, about, Image.Resampling.BILINEAR, fillcolor=GREY)


@pytest.mark.parametrize("name", randaugment.OPERATIONS)
@pytest.mark.parametrize("strength", [-0.9, -0.4, 0.0, 0.55, 0.9])
def test_operations_agree_with_pillow(name: str, strength: float) -> None:
    views = smooth_images()
    ours = randaugment.OPERATIONS[name](views, torch.full((len(views),), strength))
    inside = shown(name, strength) if name in GEOMETRY else np.full((32, 32), True)
    assert inside.mean() > 0.3
    for n in range(len(views)):
        theirs = np.asarray(by_pillow(name, picture_of(views[n]), strength)).astype(float)
        difference = np.abs(ours[n].permute(1, 2, 0).numpy() * 255 - theirs)
        # Pillow rounds to whole levels, and once more in between for contrast and color.
        assert difference[inside].max() <= 1.6, name


def shown(name: str, strength: float) -> np.ndarray:
    """Where a warp shows the image, two pixels off its rim: Pillow fills the rim by another rule."""
    white = by_pillow(name, Image.new("RGB", (32, 32), "white"), strength).convert("L")
    return np.asarray(ImageOps.expand(white, 2, 128).filter(ImageFilter.MinFilter(5)))[2:-2, 2:-2] == 255


GEOMETRY = {"rotate", "shear_x", "shear_y", "shift_x", "shift_y"}


def test_each_image_gets_its_own_operation() -> None:
    views = smooth_images(8)
    names = list(randaugment.OPERATIONS)
    chosen = torch.tensor([names.index(name) for name in ("identity", "brightness", "rotate", "solarize")] * 2)
    strength = torch.linspace(-0.9, 0.9, 8)
    out = randaugment.apply(views, chosen, strength)
    for n in range(8):
        alone = randaugment.OPERATIONS[names[chosen[n]]](views[n : n + 1], strength[n : n + 1])
        assert torch.allclose(out[n], alone[0], atol=1e-6)


def test_a_flat_channel_stays_when_it_is_equalized() -> None:
    views = torch.full((1, 3, 8, 8), 0.4)
    assert torch.allclose(randaugment.equalize(views, torch.zeros(1)), views, atol=1 / 255)


def test_cutout_covers_one_square_of_at_most_half_the_side_with_grey() -> None:
    views = torch.ones(200, 3, 32, 32)
    out = randaugment.cutout(views, torch.Generator().manual_seed(0))
    covered = out == 0.5
    assert (covered | (out == 1)).all() and (covered.all(dim=1) == covered.any(dim=1)).all()
    rows, columns = covered[:, 0].any(dim=2).sum(dim=1), covered[:, 0].any(dim=1).sum(dim=1)
    assert (covered[:, 0].sum(dim=(1, 2)) == rows * columns).all(), "a rectangle"
    assert max(rows.max(), columns.max()) == 16 and rows.min() <= 1
    assert 6 < rows.float().mean() < 9, "half of 16 on average, less what lies beyond the border"


def test_the_strong_view_with_cutout_is_the_strong_view_covered() -> None:
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    strong, covered = (
        Augmenter(policy, 32).train_views(images, torch.Generator().manual_seed(1))
        for policy in ("strong", "strong_cutout")
    )
    changed = strong != covered
    assert changed.any() and (covered[changed] == 0.5).all()


# --- Mixing -----------------------------------------------------------------------------------------------------------


def solid(n: int = 10, size: int = 8) -> torch.Tensor:
    """Image i is all i/10, so that a mixture tells its parts."""
    return (torch.arange(n) / 10)[:, None, None, None].expand(n, 3, size, size).clone()


def test_no_mixing_is_one_hot() -> None:
    views, targets = mix(
        solid(), torch.arange(10), num_classes=10, mixup_alpha=0, cutmix_alpha=0, generator=generator()
    )
    assert torch.equal(views, solid())
    assert torch.equal(targets, torch.eye(10))


def test_mixup_is_a_straight_line_between_pairs() -> None:
    for seed in range(5):
        views, targets = mix(
            solid(), torch.arange(10), num_classes=10, mixup_alpha=1.0, cutmix_alpha=0, generator=generator(seed)
        )
        assert torch.allclose(targets.sum(1), torch.ones(10))
        # Image i shows i/10, so its mean must be the mean that its target promises.
        assert torch.allclose(views.mean((1, 2, 3)), targets @ (torch.arange(10) / 10), atol=1e-6)
        assert views.flatten(1).std(1).max() < 1e-6


def test_cutmix_pastes_one_box_and_counts_its_area() -> None:
    areas = []
    for seed in range(30):
        views, targets = mix(
            solid(), torch.arange(10), num_classes=10, mixup_alpha=0, cutmix_alpha=1.0, generator=generator(seed)
        )
        for n in range(10):
            other = views[n, 0] != n / 10
            rows, columns = other.any(1).nonzero(), other.any(0).nonzero()
            if other.any():
                box = other[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
                assert box.all()
                assert len(views[n][:, other].unique()) == 1
            assert targets[n, n].item() == pytest.approx(1 - other.float().mean().item(), abs=1e-6)
        areas.append(1 - targets.amax(1).min().item())
    assert len(set(areas)) > 5


def test_both_given_draws_one_of_them_for_each_batch() -> None:
    kinds = []
    for seed in range(40):
        views, _ = mix(
            solid(), torch.arange(10), num_classes=10, mixup_alpha=1.0, cutmix_alpha=1.0, generator=generator(seed)
        )
        kinds.append(bool(torch.isin(views.unique(), solid().unique()).all()))
    assert 10 <= sum(kinds) <= 30


def test_mixing_shares_follow_beta() -> None:
    """Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1))."""
    shares = []
    for seed in range(600):
        _, targets = mix(
            solid(2), torch.arange(2), num_classes=2, mixup_alpha=2.0, cutmix_alpha=0, generator=generator(seed)
        )
        shares.append(targets[0, 0].item())
    moved = np.array([share for share in shares if share != 1.0])
    assert abs(moved.mean() - 0.5) < 0.05
    assert abs(moved.var() - 0.05) < 0.012


def test_mixing_repeats_from_one_state() -> None:
    arguments = {"num_classes": 10, "mixup_alpha": 0.2, "cutmix_alpha": 1.0}
    one, two = (mix(solid(), torch.arange(10), generator=generator(4), **arguments) for _ in range(2))
    assert torch.equal(one[0], two[0]) and torch.equal(one[1], two[1])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_views_from_a_cpu_generator() -> None:
    images = some_images(size=18)
    for policy in ("crop", "light"):
        on_cpu = Augmenter(policy, 16).train_views(images, generator())
        on_gpu = Augmenter(policy, 16).train_views(images.cuda(), generator())
        assert torch.allclose(on_cpu, on_gpu.cpu(), atol=1e-5)


def test_photographs_without_a_margin_are_trained_on_crops_and_tested_whole() -> None:
    images = torch.randint(0, 256, (2, 3, 65, 65), dtype=torch.uint8)
    augmenter = Augmenter("crop", 65)
    assert torch.equal(augmenter.test_views(images), images.float() / 255)
    assert torch.equal(augmenter.train_views(images, generator(5)), resized_crop(images, 65, generator(5), flips=False))
