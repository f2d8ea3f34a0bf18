"""DatasetSpec: where the customer's labelled images are and how they are to be read."""

from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints

from core.spec.names import CREDENTIALS, DATASET_SCHEMES, Credentials, uri_of
from core.spec.part import Part

DatasetFormat = Literal[
    "auto",
    "folder",
    "npz",
    "idx",
    "cifar-python",
    "cifar-binary",
    "parquet",
    "webdataset",
    "csv",
    "jsonl",
    "json",
    "builtin",
]
FORMATS: tuple[str, ...] = get_args(DatasetFormat)

SplitTarget = Literal["train", "validation", "test", "ignore"]
SPLIT_TARGETS: tuple[str, ...] = get_args(SplitTarget)
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class DatasetSpec(Part):
    """The customer's labelled images."""

    uri: Annotated[str, uri_of(DATASET_SCHEMES)] = Field(
        description="builtin:, file:, http(s):, s3:, gs:, hf:, dataset:<id>, or secret://name: a stored secret that is "
        "itself a URI, such as a signed one"
    )
    credentials: Credentials | None = Field(None, description=CREDENTIALS)
    format: DatasetFormat = Field(
        "auto", description="auto: told from the content; csv is any delimited table (commas, semicolons, tabs, pipes)"
    )
    splits: dict[Pattern, SplitTarget] | None = Field(
        None,
        max_length=1000,
        description="pattern -> train, validation, test or ignore, for folders, files, tables, lists of the images "
        "of a split, parquet files, shards and arrays of an npz. A pattern is a path below the dataset or, without a "
        "slash, one name anywhere in it; *, ? and [...] are wildcards; the first pattern that matches decides. "
        "The class folders are those inside a matched folder. What no pattern matches is told from the names; {}:"
        " no name tells a split, so that folders named train and test are classes; null: all is told from the "
        "names",
    )
    classes: tuple[str, ...] | None = Field(
        None, min_length=2, description="the classes to keep, in the order of the student's outputs; null: all, sorted"
    )
    class_map: dict[str, str] = Field(
        {}, description="old name -> new name, before choosing; several onto one merges them"
    )
    validation_fraction: float = Field(
        0.1,
        gt=0,
        lt=0.5,
        description="share of each class's training images held out, where the dataset brings no validation split",
    )
    test_fraction: float = Field(
        0.1, gt=0, lt=0.5, description="share of each class's images held out, where the dataset brings no test split"
    )
    max_per_class: int | None = Field(
        None, ge=2, description="training images kept per class (images, validation included); null: all"
    )
    max_unreadable_fraction: float = Field(
        0.0, ge=0, lt=1, description="share of unreadable images that is left out rather than refused"
    )
    image_column: str = Field(
        "image",
        description="column of parquet and of tables that holds the image or its path; of a table without it "
        "the column is found by its name or its content, and the plan says which",
    )
    label_column: str = Field(
        "label",
        description="column of parquet and of tables that holds the class; of a table without it the column "
        "is found by its name, and the plan says which",
    )
    target_uri: Annotated[str, uri_of(DATASET_SCHEMES)] | None = Field(
        None,
        description="images of a second domain, for methods that adapt to it; its labels, where it has any, are kept "
        "from training and measure the student there",
    )
