"""The codes of the warnings that reading a dataset can give. They are stable; `MEANINGS` is what the docs print."""

FILES_PASSED_OVER = "DATASET_FILES_PASSED_OVER"
FOLDERS_LEFT_OUT = "DATASET_FOLDERS_LEFT_OUT"
UNLABELLED_LEFT_OUT = "DATASET_UNLABELLED_LEFT_OUT"
TABLE_UNUSED = "DATASET_TABLE_UNUSED"
TABLE_GUESSED = "DATASET_TABLE_GUESSED"
SPLITS_FROM_LISTS = "DATASET_SPLITS_FROM_LISTS"
LIST_ENTRIES_MISSING = "DATASET_LIST_ENTRIES_MISSING"
IMAGES_NOT_IN_TABLE = "DATASET_IMAGES_NOT_IN_TABLE"
CLASS_SUBFOLDERS = "DATASET_CLASS_SUBFOLDERS"
CLASSES_MERGED = "DATASET_CLASSES_MERGED"
CLASSES_SIMILAR = "DATASET_CLASSES_SIMILAR"
CLASSES_MISSING_IN_SPLIT = "DATASET_CLASSES_MISSING_IN_SPLIT"
CLASSES_IMBALANCED = "DATASET_CLASSES_IMBALANCED"
SPLITS_OVERLAP = "DATASET_SPLITS_OVERLAP"
TEST_SPLIT_SMALL = "DATASET_TEST_SPLIT_SMALL"
TEST_FROM_VALIDATION = "DATASET_TEST_FROM_VALIDATION"
PIXELS_SCALED = "DATASET_PIXELS_SCALED"
PIXELS_DARK = "DATASET_PIXELS_DARK"
IMAGES_UNREADABLE = "DATASET_IMAGES_UNREADABLE"

MEANINGS: dict[str, str] = {
    FILES_PASSED_OVER: "Files of the dataset are not used; the message counts them by reason.",
    FOLDERS_LEFT_OUT: "Folders beside the splits or the classes are neither, and are not used.",
    UNLABELLED_LEFT_OUT: "A split has images without labels; it is not used.",
    TABLE_UNUSED: "A table lies beside the images and is not used; the message names it and its columns.",
    TABLE_GUESSED: "The labels come from a table whose columns or header were found by their names or content.",
    SPLITS_FROM_LISTS: "The splits come from lists of images beside the dataset, such as train.txt and test.txt.",
    LIST_ENTRIES_MISSING: "A list of a split names images that the dataset does not hold.",
    IMAGES_NOT_IN_TABLE: "Images that no row of the label table, or no list of a split, names are not used.",
    CLASS_SUBFOLDERS: "Every class folder holds several folders of images; each outer folder was taken as one class.",
    CLASSES_MERGED: "Class names that differ only by outer spaces or Unicode form were taken for one class.",
    CLASSES_SIMILAR: "Class names differ only by case, spaces or form, and are kept as separate classes.",
    CLASSES_MISSING_IN_SPLIT: "The given validation or test split lacks some of the classes.",
    CLASSES_IMBALANCED: "The largest class has at least ten times as many training images as the smallest.",
    SPLITS_OVERLAP: "The same pixels are in two splits, so that the figures measured there are too good.",
    TEST_SPLIT_SMALL: "The test split has so few images that only large differences can be proved with it.",
    TEST_FROM_VALIDATION: "The dataset brings a validation split and no test split: it became the test split.",
    PIXELS_SCALED: "Pixels are only 0 and 1, and were read as black and white.",
    PIXELS_DARK: "No pixel is brighter than 100 of 255: perhaps the values have another range.",
    IMAGES_UNREADABLE: "Unreadable images were left out, as max_unreadable_fraction allows.",
}
"""Code -> what the warning tells, in one sentence."""
