"""Lists that tell the images of each split, as well-known datasets have them."""

# ruff: noqa: E731  # a layout is one expression, however long

import json

from tests.core.data.siblings.layouts import AB, Files, Layouts, class_folders, image, images, tree

LAYOUTS = Layouts()


def food() -> Files:
    f = tree(*(images(f"food-101/images/{c}/", 20, width=4) for c in AB))
    tr = [f"{c}/{i:04}" for c in AB for i in range(14)]
    te = [f"{c}/{i:04}" for c in AB for i in range(14, 20)]
    f["food-101/meta/train.txt"] = "\n".join(tr) + "\n"
    f["food-101/meta/test.txt"] = "\n".join(te) + "\n"
    f["food-101/meta/train.json"] = json.dumps({c: [x for x in tr if x.startswith(c)] for c in AB})
    f["food-101/meta/test.json"] = json.dumps({c: [x for x in te if x.startswith(c)] for c in AB})
    f["food-101/meta/classes.txt"] = "ants\nbees\n"
    f["food-101/meta/labels.txt"] = "Ants\nBees\n"
    f["food-101/README.txt"] = "Food"
    return f


LAYOUTS.add("food101", food(), AB, 28, 12, may_refuse=True)
f = food()
f = {k: v for k, v in f.items() if not k.endswith("json")}
LAYOUTS.add("food101_txt_only", f, AB, 28, 12, may_refuse=True)
f = food()
f = {k: v for k, v in f.items() if not (k.endswith("test.txt") or k.endswith("train.txt"))}
LAYOUTS.add("food101_json_only", f, AB, 28, 12, may_refuse=True)


def cub() -> tuple[Files, tuple[str, ...]]:
    N = ("001.Black_footed_Albatross", "002.Laysan_Albatross")
    f = tree(*(images(f"CUB_200_2011/images/{c}/{c[4:]}_", 20, width=4) for c in N))
    ps = [f"{c}/{c[4:]}_{i:04}.jpg" for c in N for i in range(20)]
    r = "CUB_200_2011/"
    f[r + "images.txt"] = "".join(f"{k + 1} {p}\n" for k, p in enumerate(ps))
    f[r + "train_test_split.txt"] = "".join(f"{k + 1} {int(k % 20 < 14)}\n" for k in range(40))
    f[r + "image_class_labels.txt"] = "".join(f"{k + 1} {1 + k // 20}\n" for k in range(40))
    f[r + "classes.txt"] = "".join(f"{k + 1} {c}\n" for k, c in enumerate(N))
    f[r + "bounding_boxes.txt"] = "".join(f"{k + 1} 1.0 1.0 5.0 5.0\n" for k in range(40))
    f[r + "README"] = "CUB"
    f["attributes.txt"] = "1 has_bill_shape::curved\n"
    f[r + "attributes/certainties.txt"] = "1 not visible\n"
    f[r + "parts/parts.txt"] = "1 back\n"
    return f, N


f, N = cub()
LAYOUTS.add("cub200", f, N, 28, 12, may_refuse=True)
f = tree(
    {k: v for k, v in f.items() if "/images/" not in k},
    class_folders("CUB_200_2011/segmentations/", 20, ".png", N),
    {k: v for k, v in f.items() if "/images/" in k},
)
LAYOUTS.add("cub200_masks", f, N, 28, 12, may_refuse=True)


def pets() -> Files:
    f = {}
    rows = []
    for k, c in enumerate(("Abyssinian", "great_pyrenees")):
        f.update(images(f"images/{c}_", 20, width=1))
        rows += [(f"{c}_{i}", k + 1, 1 + k, 1) for i in range(20)]
    line = lambda r: " ".join(map(str, r)) + "\n"
    f["annotations/list.txt"] = "#Image CLASS-ID SPECIES BREED ID\n#ID: 1:37 Class ids\n" + "".join(map(line, rows))
    f["annotations/trainval.txt"] = "".join(line(r) for i, r in enumerate(rows) if i % 20 < 14)
    f["annotations/test.txt"] = "".join(line(r) for i, r in enumerate(rows) if i % 20 >= 14)
    f.update({f"annotations/trimaps/{r[0]}.png": image("PNG") for r in rows})
    f.update({f"annotations/xmls/{r[0]}.xml": "<a/>" for r in rows})
    return f


LAYOUTS.add("oxford_pets", pets(), ("1", "2"), 28, 12, may_refuse=True)


def caltech() -> Files:
    f = class_folders("256_ObjectCategories/", 20, names=("001.ak47", "002.flag"))
    return f


LAYOUTS.add("caltech256", caltech(), ("001.ak47", "002.flag"), 40, None)


def dogs() -> tuple[Files, tuple[str, ...]]:
    N = ("n02085620-Chihuahua", "n02085782-Japanese_spaniel")
    f = tree(*(images(f"Images/{c}/{c[:9]}_", 20, width=1) for c in N))
    f["lists/train_list.txt"] = "".join(f"{c}/{c[:9]}_{i}.jpg\n" for c in N for i in range(14))
    f["lists/test_list.txt"] = "".join(f"{c}/{c[:9]}_{i}.jpg\n" for c in N for i in range(14, 20))
    f.update({f"Annotation/{c}/{c[:9]}_{i}": "<annotation/>" for c in N for i in range(20)})
    return f, N


f, N = dogs()
LAYOUTS.add("stanford_dogs_txt", f, N, 28, 12, may_refuse=True)
f = {k: v for k, v in f.items() if "lists/" not in k}
f["train_list.mat"] = b"MATLAB 5.0"
f["test_list.mat"] = b"MATLAB 5.0"
LAYOUTS.add("stanford_dogs_mat", f, N, 40, None, may_refuse=True)


def aircraft() -> Files:
    f = images("fgvc-aircraft-2013b/data/images/", 40, width=7)
    r = "fgvc-aircraft-2013b/data/"
    V = ("707-320", "727-200")
    for s, a, b in (("train", 0, 10), ("val", 10, 14), ("test", 14, 20)):
        ids = [k * 20 + i for k in (0, 1) for i in range(a, b)]
        f[r + f"images_variant_{s}.txt"] = "".join(f"{i:07} {V[i // 20]}\n" for i in ids)
        f[r + f"images_{s}.txt"] = "".join(f"{i:07}\n" for i in ids)
        f[r + f"images_family_{s}.txt"] = "".join(f"{i:07} Boeing {(707, 727)[i // 20]}\n" for i in ids)
        f[r + f"images_manufacturer_{s}.txt"] = "".join(f"{i:07} Boeing\n" for i in ids)
    f[r + "variants.txt"] = "707-320\n727-200\n"
    f[r + "families.txt"] = "Boeing 707\nBoeing 727\n"
    f[r + "images_box.txt"] = "".join(f"{i:07} 1 1 5 5\n" for i in range(40))
    return f


LAYOUTS.add("fgvc_aircraft", aircraft(), None)
f = {k: v for k, v in aircraft().items() if "family" not in k and "manufacturer" not in k and "families" not in k}
LAYOUTS.add("fgvc_aircraft_variant", f, ("707-320", "727-200"), 28, 12, may_refuse=True)


def dtd() -> Files:
    f = tree(*(images(f"dtd/images/{c}/{c}_", 20, width=4) for c in ("banded", "blotchy")))
    for k in (1, 2):
        for s, a, b in (("train", 0, 8), ("val", 8, 14), ("test", 14, 20)):
            f[f"dtd/labels/{s}{k}.txt"] = "".join(
                f"{c}/{c}_{(i + 3 * k) % 20:04}.jpg\n" for c in ("banded", "blotchy") for i in range(a, b)
            )
    f["dtd/labels/labels_joint_anno.txt"] = "".join(
        f"{c}/{c}_{i:04}.jpg {c}\n" for c in ("banded", "blotchy") for i in range(20)
    )
    return f


LAYOUTS.add("dtd", dtd(), None)
f = {k: v for k, v in dtd().items() if not k.endswith("2.txt")}
LAYOUTS.add("dtd_one", f, ("banded", "blotchy"), 28, 12, may_refuse=True)


def sun() -> Files:
    f = tree(*(images(f"SUN397/{c}/sun_", 20, width=6) for c in ("a/abbey", "b/bar")))
    for k in ("01",):
        f[f"Partitions/Training_{k}.txt"] = "".join(
            f"/{c}/sun_{i:06}.jpg\n" for c in ("a/abbey", "b/bar") for i in range(14)
        )
        f[f"Partitions/Testing_{k}.txt"] = "".join(
            f"/{c}/sun_{i:06}.jpg\n" for c in ("a/abbey", "b/bar") for i in range(14, 20)
        )
    f["Partitions/ClassName.txt"] = "/a/abbey\n/b/bar\n"
    return f


LAYOUTS.add("sun397", sun(), ("abbey", "bar"), 28, 12, may_refuse=True)
f = {k: v for k, v in sun().items() if not k.startswith("Part")}
LAYOUTS.add("sun397_plain", f, ("abbey", "bar"), 40, None, may_refuse=True)


def ucf() -> Files:
    f = tree(*(images(f"UCF/{c}/v_{c}_g01_c", 20, width=2) for c in ("Archery", "Bowling")))
    for s, a, b in (("train", 0, 14), ("test", 14, 20)):
        f[f"splits/{s}list01.txt"] = "".join(
            f"{c}/v_{c}_g01_c{i:02}.jpg {k + 1}\n" for k, c in enumerate(("Archery", "Bowling")) for i in range(a, b)
        )
    f["splits/classInd.txt"] = "1 Archery\n2 Bowling\n"
    return f


LAYOUTS.add("ucf_lists", ucf(), ("Archery", "Bowling"), 28, 12, may_refuse=True)


def speech() -> Files:  # as Google's speech commands: the rest is for training
    f = tree(*(images(f"{c}/", 20, width=2) for c in AB))
    f["validation_list.txt"] = "".join(f"{c}/{i:02}.jpg\n" for c in AB for i in range(10, 14))
    f["testing_list.txt"] = "".join(f"{c}/{i:02}.jpg\n" for c in AB for i in range(14, 20))
    return f


LAYOUTS.add("speech_lists", speech(), AB, 28, 12, may_refuse=True)


def mit67() -> Files:
    f = tree(*(images(f"Images/{c}/", 20, width=2) for c in AB))
    f["TrainImages.txt"] = "\n".join(f"{c}/{i:02}.jpg" for c in AB for i in range(14))
    f["TestImages.txt"] = "\n".join(f"{c}/{i:02}.jpg" for c in AB for i in range(14, 20))
    return f


LAYOUTS.add("mit67", mit67(), AB, 28, 12, may_refuse=True)
f = mit67()
f["TestImages.txt"] = f["TestImages.txt"] + "\nants/00.jpg"
LAYOUTS.add("mit67_overlap", f, None)
f = mit67()
f["TestImages.txt"] = "\n".join(f"missing/{i:02}.jpg" for i in range(12))
LAYOUTS.add("mit67_missing", f, None)
f = mit67()
del f["TrainImages.txt"]
LAYOUTS.add("mit67_test_only", f, AB, 28, 12, may_refuse=True)
f = mit67()
del f["TestImages.txt"]
LAYOUTS.add("mit67_train_only", f, AB, 28, 12, may_refuse=True)
f = mit67()
f = {
    k.replace("TrainImages.txt", "train.csv").replace("TestImages.txt", "test.csv"): (
        ("path\n" + v) if isinstance(v, str) else v
    )
    for k, v in f.items()
}
LAYOUTS.add("mit67_csv", f, AB, 28, 12, may_refuse=True)
f = mit67()
f = {k.replace("TrainImages.txt", "train.lst").replace("TestImages.txt", "test.lst"): v for k, v in f.items()}
LAYOUTS.add("mit67_lst", f, AB, 28, 12, may_refuse=True)
f = mit67()
f["split.json"] = json.dumps(
    {
        "train": [f"{c}/{i:02}.jpg" for c in AB for i in range(14)],
        "test": [f"{c}/{i:02}.jpg" for c in AB for i in range(14, 20)],
    }
)
f = {k: v for k, v in f.items() if not k.endswith("txt")}
LAYOUTS.add("split_json", f, AB, 28, 12, may_refuse=True)
f = mit67()
f["split_zhou_Dataset.json"] = json.dumps(
    {
        s: [[f"{c}/{i:02}.jpg", AB.index(c), c] for c in AB for i in range(a, b)]
        for s, a, b in (("train", 0, 10), ("val", 10, 14), ("test", 14, 20))
    }
)
f = {k: v for k, v in f.items() if not k.endswith("txt")}
LAYOUTS.add("split_zhou", f, AB, 28, 12, may_refuse=True)
f = mit67()
f["splits.csv"] = "path,split\n" + "".join(
    f"Images/{c}/{i:02}.jpg,{'train' if i < 14 else 'test'}\n" for c in AB for i in range(20)
)
f = {k: v for k, v in f.items() if not k.endswith("txt")}
LAYOUTS.add("split_csv", f, AB, 28, 12, may_refuse=True)
f = mit67()
f["eval_partition.csv"] = "image_id,partition\n" + "".join(
    f"{c}/{i:02}.jpg,{0 if i < 10 else 1 if i < 14 else 2}\n" for c in AB for i in range(20)
)
f = {k: v for k, v in f.items() if not k.endswith("txt")}
LAYOUTS.add("celeba_partition", f, AB, 28, 12, may_refuse=True)


def flowers() -> Files:
    f = images("jpg/image_", 40, width=5, start=1)
    f["imagelabels.mat"] = b"MATLAB 5.0 MAT-file"
    f["setid.mat"] = b"MATLAB 5.0 MAT-file"
    return f


LAYOUTS.add("oxford_flowers_mat", flowers(), None)
# places list
f = tree(images("val_256/Places365_val_", 20, width=8))
f["places365_val.txt"] = "".join(f"Places365_val_{i:08}.jpg {i % 2}\n" for i in range(20))
LAYOUTS.add("places_val_list", f, ("0", "1"), 20, None, may_refuse=True)
f = tree(class_folders("data_256/"), images("val_256/Places365_val_", 10, width=8))
f["places365_val.txt"] = "".join(f"Places365_val_{i:08}.jpg {i % 2}\n" for i in range(10))
f["places365_train_standard.txt"] = "".join(
    f"/{c}/{c[0]}_{i:03}.jpg {k}\n" for k, c in enumerate(AB) for i in range(20)
)
LAYOUTS.add("places_lists", f, None)
