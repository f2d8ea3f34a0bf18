"""Tables of labels as people write them: delimiters, encodings, names of columns, values."""

import json
from collections.abc import Callable, Sequence

from tests.core.data.siblings.layouts import AB, Files, Layouts, images, tree

LAYOUTS = Layouts()


def tab(
    sep: str = ",",
    enc: str = "utf-8",
    head: str = "image,label",
    rows: Callable[[int], str] | None = None,
    name: str = "labels.csv",
    lab: Sequence[str] = AB,
    bom: bytes = b"",
) -> Files:
    f = images("images/", 40)
    text = (
        head.replace(",", sep)
        + "\n"
        + "".join((rows or (lambda i: f"images/{i:03}.jpg{sep}{lab[i % len(lab)]}"))(i) + "\n" for i in range(40))
    )
    f[name] = bom + text.encode(enc)
    return f


LAYOUTS.add("bom_utf8", tab(bom=b"\xef\xbb\xbf"), AB, 40, None)
LAYOUTS.add("utf16be", tab(enc="utf-16-be", bom=b"\xfe\xff"), AB, 40, None)
LAYOUTS.add("utf16_nobom", tab(enc="utf-16-le"), None)
LAYOUTS.add("utf32", tab(enc="utf-32-le", bom=b"\xff\xfe\0\0"), AB, 40, None)
LAYOUTS.add("semicolons_utf8bom", tab(sep=";", bom=b"\xef\xbb\xbf"), AB, 40, None)
LAYOUTS.add("pipes", tab(sep="|"), AB, 40, None)
LAYOUTS.add("tabs_txt", tab(sep="\t", name="labels.txt"), AB, 40, None)
LAYOUTS.add("spaces_txt", tab(sep=" ", name="labels.txt", head="image label"), AB, 40, None)
LAYOUTS.add("quoted_newline", tab(rows=lambda i: f'images/{i:03}.jpg,"{AB[i % 2]}"', head="image,label"), AB, 40, None)
LAYOUTS.add(
    "quoted_newline_note",
    tab(rows=lambda i: f'images/{i:03}.jpg,{AB[i % 2]},"note\nof {i}, two lines"', head="image,label,note"),
    AB,
    40,
    None,
)
LAYOUTS.add(
    "decimal_comma",
    tab(sep=";", head="image,label,size", rows=lambda i: f"images/{i:03}.jpg;{AB[i % 2]};1,5"),
    AB,
    40,
    None,
)
LAYOUTS.add(
    "label_decimal_comma",
    tab(sep=";", rows=lambda i: f"images/{i:03}.jpg;{i % 2},0"),
    ("0", "1"),
    40,
    None,
    may_refuse=True,
)
LAYOUTS.add("float_labels", tab(lab=("1.0", "2.0")), ("1", "2"), 40, None)
LAYOUTS.add("float_and_int", tab(lab=("1.0", "2", "1", "2.0")), ("1", "2"), 40, None)
LAYOUTS.add("zero_padded", tab(lab=("01", "02")), ("01", "02"), 40, None)
LAYOUTS.add("zero_padded_mixed", tab(lab=("01", "2", "1", "02")), ("1", "2"), 40, None, may_refuse=True)
LAYOUTS.add("accent_nfd_csv", tab(lab=("café", "cafe\u0301", "bees", "bees")), ("bees", "café"), 40, None)
LAYOUTS.add("crlf", tab(rows=lambda i: f"images/{i:03}.jpg,{AB[i % 2]}\r"), AB, 40, None)
LAYOUTS.add(
    "mac_cr",
    {
        **images("images/", 40),
        "labels.csv": "image,label\r" + "".join(f"images/{i:03}.jpg,{AB[i % 2]}\r" for i in range(40)),
    },
    AB,
    40,
    None,
    may_refuse=True,
)
LAYOUTS.add(
    "sep_line",
    {
        **images("images/", 40),
        "labels.csv": "sep=;\nimage;label\n" + "".join(f"images/{i:03}.jpg;{AB[i % 2]}\n" for i in range(40)),
    },
    AB,
    40,
    None,
)
LAYOUTS.add(
    "comment_line",
    {
        **images("images/", 40),
        "labels.csv": "# exported 2024\nimage,label\n" + "".join(f"images/{i:03}.jpg,{AB[i % 2]}\n" for i in range(40)),
    },
    AB,
    40,
    None,
    may_refuse=True,
)
LAYOUTS.add(
    "index_column",
    {
        **images("images/", 40),
        "labels.csv": ",image,label\n" + "".join(f"{i},images/{i:03}.jpg,{AB[i % 2]}\n" for i in range(40)),
    },
    AB,
    40,
    None,
)
LAYOUTS.add("none_label", tab(lab=("none", "scratch")), ("none", "scratch"), 40, None)
LAYOUTS.add(
    "nan_label_some",
    tab(rows=lambda i: f"images/{i:03}.jpg,{AB[i % 2] if i > 3 else ''}"),
    AB,
    36,
    None,
    may_refuse=True,
)
LAYOUTS.add("bool_labels", tab(lab=("True", "False")), ("False", "True"), 40, None)
LAYOUTS.add(
    "label_id_and_name",
    {
        **images("images/", 40),
        "labels.csv": "filename,label_id,label_name\n"
        + "".join(f"images/{i:03}.jpg,{i % 2},{AB[i % 2]}\n" for i in range(40)),
    },
    AB,
    40,
    None,
    may_refuse=True,
)
LAYOUTS.add("header_spaces", tab(head="Image , Label "), AB, 40, None, may_refuse=True)
LAYOUTS.add("header_caps", tab(head="IMAGE,LABEL"), AB, 40, None)
LAYOUTS.add("header_caps_file", tab(head="FileName,Class"), AB, 40, None)
LAYOUTS.add(
    "abs_paths", tab(rows=lambda i: f"/home/x/data/images/{i:03}.jpg,{AB[i % 2]}"), AB, 40, None, may_refuse=True
)
LAYOUTS.add(
    "win_abs_paths", tab(rows=lambda i: f"C:\\data\\images\\{i:03}.jpg,{AB[i % 2]}"), AB, 40, None, may_refuse=True
)
LAYOUTS.add("wrong_ext", tab(rows=lambda i: f"images/{i:03}.png,{AB[i % 2]}"), AB, 40, None, may_refuse=True)
LAYOUTS.add(
    "ids_int",
    {**images("images/", 40, width=1), "labels.csv": "id,label\n" + "".join(f"{i},{AB[i % 2]}\n" for i in range(40))},
    AB,
    40,
    None,
)
LAYOUTS.add(
    "ids_padded_lost",
    {**images("images/", 40, width=4), "labels.csv": "id,label\n" + "".join(f"{i},{AB[i % 2]}\n" for i in range(40))},
    None,
)
LAYOUTS.add(
    "json_dict",
    {**images("images/", 40), "labels.json": json.dumps({f"{i:03}.jpg": AB[i % 2] for i in range(40)})},
    AB,
    40,
    None,
)
LAYOUTS.add(
    "json_class_lists",
    {
        **images("images/", 40),
        "labels.json": json.dumps({c: [f"{i:03}.jpg" for i in range(40) if AB[i % 2] == c] for c in AB}),
    },
    AB,
    40,
    None,
    may_refuse=True,
)
LAYOUTS.add(
    "jsonl",
    {
        **images("images/", 40),
        "metadata.jsonl": "".join(
            json.dumps({"file_name": f"images/{i:03}.jpg", "label": AB[i % 2]}) + "\n" for i in range(40)
        ),
    },
    AB,
    40,
    None,
)
LAYOUTS.add(
    "hf_metadata_splits",
    tree(
        images("train/", 30),
        images("test/", 10),
        {
            f"{s}/metadata.csv": "file_name,label\n" + "".join(f"{i:03}.jpg,{AB[i % 2]}\n" for i in range(n))
            for s, n in (("train", 30), ("test", 10))
        },
    ),
    AB,
    30,
    10,
)
LAYOUTS.add(
    "kaggle_leaf",
    {
        **images("images/", 40, width=1),
        "train.csv": "image,label\n" + "".join(f"images/{i}.jpg,{AB[i % 2]}\n" for i in range(30)),
        "test.csv": "image\n" + "".join(f"images/{i}.jpg\n" for i in range(30, 40)),
    },
    AB,
    30,
    None,
)
LAYOUTS.add(
    "cassava",
    {
        **images("train_images/", 40),
        **images("test_images/", 1, start=900),
        "train.csv": "image_id,label\n" + "".join(f"{i:03}.jpg,{i % 2}\n" for i in range(40)),
        "label_num_to_disease_map.json": '{"0":"ants","1":"bees"}',
        "sample_submission.csv": "image_id,label\n900.jpg,0\n",
    },
    ("0", "1"),
    40,
    None,
)
LAYOUTS.add(
    "openimages",
    {
        **images("train/", 40),
        "class-descriptions.csv": "/m/0k4j,ants\n/m/0k4b,bees\n",
        "train-annotations-human-imagelabels.csv": "ImageID,Source,LabelName,Confidence\n"
        + "".join(f"{i:03},verification,{('/m/0k4j', '/m/0k4b')[i % 2]},1\n" for i in range(40)),
    },
    ("/m/0k4b", "/m/0k4j"),
    40,
    None,
    may_refuse=True,
)
LAYOUTS.add("two_labels_rows", tab(rows=lambda i: f"images/{i // 2:03}.jpg,{AB[i % 2]}"), None)
LAYOUTS.add(
    "multi_label_cell", tab(lab=("ants|bees", "ants", "bees")), ("ants", "ants|bees", "bees"), 40, None, may_refuse=True
)
LAYOUTS.add("xlsx", {**images("images/", 40), "labels.xlsx": b"PK\3\4"}, None)
LAYOUTS.add("regression", tab(lab=("0.13", "0.5", "0.77")), None)
