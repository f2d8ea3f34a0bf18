"""The inputs that people really have (../shared/cases): every dataset among them is read right or refused clearly."""

import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.data import warning_codes as codes
from core.data.dataset import Source
from core.errors import UserError

INPUTS = Path(__file__).parents[4] / "shared" / "cases" / "inputs.tar"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not INPUTS.exists(), reason="../shared/cases/inputs.tar is not there"),
]
Open = Callable[..., Source]
ANTS = ("ants", "bees")

# case -> classes, images (train + validation, test; None: cut at random), codes of warnings beside a small test split
RIGHT: dict[str, tuple[tuple[str, ...], tuple[int, int | None], set[str]]] = {
    "a03_flat_test": (ANTS, (40, None), {codes.UNLABELLED_LEFT_OUT, codes.TABLE_UNUSED, codes.FILES_PASSED_OVER}),
    "a04_intel": (ANTS, (40, 16), {codes.UNLABELLED_LEFT_OUT}),
    "a05_evaluation": (ANTS, (52, 12), set()),
    "a08_masks": (ANTS, (40, None), {codes.FOLDERS_LEFT_OUT}),
    "a09_kaggle_labels_csv": (ANTS, (40, None), {codes.TABLE_GUESSED, codes.IMAGES_NOT_IN_TABLE}),
    "a11_tiny": (("n01", "n02"), (40, 16), {codes.TABLE_GUESSED, codes.TEST_FROM_VALIDATION}),
    "a12_eadir": (ANTS, (40, None), set()),
    "a14_nfd_splits": (("bees", "café"), (40, 16), {codes.CLASSES_MERGED}),
    "a14b_nfd_one_level": (("bees", "café"), (50, None), {codes.CLASSES_MERGED}),
    "a16_trailing_space": (ANTS, (40, 16), {codes.CLASSES_MERGED}),
    "a22_leak": (ANTS, (40, 20), {codes.SPLITS_OVERLAP}),
    "b03_mixed_ext": (ANTS, (80, None), set()),
    "b04_class_tif": (ANTS, (40, None), set()),
    "c05_macos_utf8_noflag.zip": (("café", "蜜蜂"), (40, None), set()),
    "c16_case_files": (ANTS, (42, None), set()),
    "c16_case_files.zip": (ANTS, (42, None), set()),
    "d02_semicolon": (ANTS, (40, None), set()),
    "d03_windows_paths": (ANTS, (40, None), set()),
    "d06_float": (("1", "2", "10"), (40, None), set()),
    "d07_trailing_space": (ANTS, (40, None), {codes.CLASSES_MERGED}),
    "d08_utf16": (ANTS, (40, None), set()),
    "d09_other_names": (ANTS, (40, None), {codes.TABLE_GUESSED}),
    "d13_tab": (ANTS, (40, None), set()),
    "d21_train_test_csv": (ANTS, (40, 16), set()),
    "d26_json_array": (ANTS, (40, None), set()),
    "e02_minus1": (ANTS, (40, None), {codes.UNLABELLED_LEFT_OUT}),
    "e03b_meta_missing_test": (ANTS, (40, 16), set()),
    "e05_named": (ANTS, (40, 16), set()),
    "g03_imbalance": (ANTS, (103, None), {codes.CLASSES_IMBALANCED}),
    "k10": (ANTS, (28, 12), set()),
    "k2_holdout": (ANTS, (24, 8), {codes.SPLITS_OVERLAP}),
    "k3_trainval_names": (ANTS, (24, 8), {codes.SPLITS_OVERLAP, codes.TEST_FROM_VALIDATION}),
    "k4_json_beside": (ANTS, (40, None), {codes.FOLDERS_LEFT_OUT, codes.FILES_PASSED_OVER}),
    "k6_upper_ext": (ANTS, (20, None), set()),
    "k7_train_train": (ANTS, (28, 12), set()),
    "k8": (ANTS, (28, 12), set()),
    "k9_eval": (ANTS, (28, 12), set()),
    "m2_bsdtar_csv.tar": (ANTS, (40, None), set()),
    "m3_finder_parquet.zip": (ANTS, (20, None), set()),
    "m4_finder_npz.zip": (("0", "1"), (40, None), set()),
    "m5_wds_appledouble": (("0", "1"), (40, None), set()),
    "m7_download": (("0", "1"), (40, None), set()),
    "n02_onehot.npz": (("0", "1"), (40, None), set()),
    "n02b_onehot_float.npz": (("0", "1"), (40, None), set()),
    "n08_binary01.npz": (("0", "1"), (40, None), {codes.PIXELS_SCALED}),
    "n08_ref255.npz": (("0", "1"), (40, None), set()),
    "n08b_bool.npz": (("0", "1"), (40, None), {codes.PIXELS_SCALED}),
    "n15_ytest_missing.npz": (("0", "1"), (40, None), {codes.UNLABELLED_LEFT_OUT}),
    "set": (("x_ants", "x_bees"), (40, None), set()),
    "set#2": (("y_ants", "y_bees"), (40, None), set()),
    "set?v=2": (("q_ants", "q_bees"), (40, None), set()),
    "w02b_component": (("0", "1"), (40, None), set()),
    "w06_caption_json": (("0", "1"), (40, None), set()),
    "xray16": (("cross", "ring"), (120, None), set()),
}
# case -> what the refusal names
REFUSED = {
    "a13_case_splits": ("'Ants' and 'ants'",),
    "a13b_case_one_level": ("'Ants' and 'ants'",),
    "a19_empty": ("'wasps' has no image: the folder is empty",),
    "c06_cp932.zip": ("not UTF-8", "猫"),
    "d07b_case": ("'ANTS' and 'ants'", "'BEES' and 'bees'"),
    "d27_latin1": (r"'labels\.csv' is not UTF-8",),
    "e12_configs": ("several configurations: 'cropped', 'full'",),
    "k11": ("'extra'",),
    "m6_deflate64.zip": (r"method 9 \(Deflate64\)",),
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked inputs."""
    folder = tmp_path_factory.mktemp("cases")
    with tarfile.open(INPUTS) as archive:
        archive.extractall(folder, filter="data")
    return folder


def test_every_dataset_of_the_cases_is_in_a_table(cases: Path) -> None:
    assert {path.name for path in cases.iterdir()} == set(RIGHT) | set(REFUSED)


@pytest.mark.parametrize("case", RIGHT)
def test_read_right(cases: Path, open_source: Open, case: str) -> None:
    classes, (held_in, test), warned = RIGHT[case]
    source = open_source(cases / case)
    dataset = source.decode(16)
    assert source.classes == classes
    counted = (source.num_train + source.num_validation, source.num_test)
    assert counted == (held_in, test) if test is not None else sum(counted) == held_in
    assert {warning.code for warning in dataset.warnings} - {codes.TEST_SPLIT_SMALL} == warned


@pytest.mark.parametrize("case", REFUSED)
def test_refused_clearly(cases: Path, open_source: Open, case: str) -> None:
    with pytest.raises(UserError) as caught:
        open_source(cases / case)
    for told in REFUSED[case]:
        assert re.search(told, caught.value.message), caught.value.message
    assert caught.value.hint and caught.value.pointer


@pytest.mark.parametrize("case", ["set#2", "set?v=2"])
def test_a_pasted_path_is_that_very_path(cases: Path, open_source: Open, case: str) -> None:
    assert open_source(f"file://{cases}/{case}").classes == RIGHT[case][0]


def test_black_and_white_pixels_are_read_alike(cases: Path, open_source: Open) -> None:
    names = ("n08_binary01.npz", "n08b_bool.npz", "n08_ref255.npz")
    one, two, wanted = (open_source(cases / name).decode(32).train.images for name in names)
    assert (one == wanted).all() and (two == wanted).all()
