"""Split folders, and flat split folders that a table labels."""

# a layout is one expression, however long

from tests.core.data.siblings.layouts import AB, Files, Layouts, class_folders, image, images, three_splits, tree

LAYOUTS = Layouts()
LAYOUTS.add(
    "roboflow_folder",
    tree(
        three_splits(),
        {
            "README.roboflow.txt": "Roboflow export v1\nhttp://roboflow.com\n",
            "README.dataset.txt": "# ants > 2023\nlicense: CC",
        },
    ),
    AB,
    50,
    16,
)
LAYOUTS.add("fer2013", tree(class_folders("train/", 20), class_folders("test/", 8)), AB, 40, 16)
LAYOUTS.add(
    "plant_village_doubled",
    tree(class_folders("PlantVillage/", 20), class_folders("PlantVillage/PlantVillage/", 20, start=0)),
    AB,
    40,
    None,
    may_refuse=True,
)
LAYOUTS.add(
    "plant_village_new",
    tree(
        *(
            class_folders(f"New Plant Diseases Dataset(Augmented)/New Plant Diseases Dataset(Augmented)/{s}/", n)
            for s, n in (("train", 20), ("valid", 8))
        ),
        images("test/test/AppleScab", 6),
    ),
    AB,
    40,
    16,
)
LAYOUTS.add(
    "chest_xray_macosx",
    tree(
        three_splits("chest_xray/train", "chest_xray/val", "chest_xray/test"),
        three_splits("chest_xray/chest_xray/train", "chest_xray/chest_xray/val", "chest_xray/chest_xray/test"),
        {"chest_xray/__MACOSX/chest_xray/._train": b"x" * 9},
    ),
    AB,
    50,
    16,
    may_refuse=True,
)
LAYOUTS.add(
    "chest_xray_simple",
    tree(
        three_splits("chest_xray/train", "chest_xray/val", "chest_xray/test"),
        {"chest_xray/__MACOSX/chest_xray/train/ants/._a_000.jpg": b"x" * 9, "chest_xray/train/.DS_Store": b"x"},
    ),
    AB,
    50,
    16,
)
LAYOUTS.add(
    "intel",
    tree(
        class_folders("seg_train/seg_train/"), class_folders("seg_test/seg_test/", 8), images("seg_pred/seg_pred/", 12)
    ),
    AB,
    40,
    16,
)
LAYOUTS.add(
    "fruits360",
    tree(
        class_folders("fruits-360/Training/"),
        class_folders("fruits-360/Test/", 8),
        images("fruits-360/test-multiple_fruits/", 5),
    ),
    AB,
    40,
    16,
    may_refuse=True,
)
LAYOUTS.add(
    "imagenette",
    tree(
        class_folders("imagenette2/train/"),
        class_folders("imagenette2/val/", 8),
        {
            "imagenette2/noisy_imagenette.csv": "path,noisy_labels_0,noisy_labels_1,is_valid\n"
            + "".join(f"train/{c}/{c[0]}_{i:03}.jpg,{c},{c},False\n" for c in AB for i in range(20))
            + "".join(f"val/{c}/{c[0]}_{i:03}.jpg,{c},{c},True\n" for c in AB for i in range(8))
        },
    ),
    AB,
    40,
    16,
)
LAYOUTS.add(
    "places365_std",
    tree(class_folders("train/"), class_folders("val/", 8), {"categories_places365.txt": "/a/ants 0\n/b/bees 1\n"}),
    AB,
    40,
    16,
)
LAYOUTS.add(
    "celeb_splits_inside_images",
    tree(
        class_folders("images/train/"),
        class_folders("images/test/", 8),
        class_folders("labels/train/", 20, ".png"),
        class_folders("labels/test/", 8, ".png"),
    ),
    AB,
    40,
    16,
    may_refuse=True,
)
LAYOUTS.add(
    "dev_test_words", tree(class_folders("trn/"), class_folders("dev/", 5), class_folders("tst/", 8)), AB, 50, 16
)
LAYOUTS.add("train_valid_words_caps", tree(class_folders("TRAIN_IMGS/"), class_folders("TEST_IMGS/", 8)), AB, 40, 16)
LAYOUTS.add(
    "query_gallery",
    tree(class_folders("bounding_box_train/"), class_folders("bounding_box_test/", 8), class_folders("query/", 3)),
    AB,
    40,
    16,
    may_refuse=True,
)
LAYOUTS.add(
    "kfold",
    tree(class_folders("fold1/", 8), class_folders("fold2/", 8), class_folders("fold3/", 8)),
    AB,
    None,
    None,
    may_refuse=True,
)
LAYOUTS.add(
    "train_test_unknown_backup",
    tree(class_folders("train/"), class_folders("test/", 8), class_folders("train_backup/", 8)),
    AB,
    40,
    16,
    may_refuse=True,
)
LAYOUTS.add("augmented_sibling", tree(class_folders("original/", 20), class_folders("augmented/", 20)), None)
LAYOUTS.add(
    "test1_test2",
    tree(class_folders("train/"), class_folders("test1/", 8), class_folders("test2/", 8, start=300)),
    AB,
    40,
    32,
    may_refuse=True,
)
LAYOUTS.add(
    "kaggle_dogs",
    tree({f"train/{c}.{i}.jpg": image("JPEG") for c in AB for i in range(20)}, images("test1/", 12, width=1)),
    AB,
    40,
    None,
    may_refuse=True,
)
LAYOUTS.add(
    "cls_split_nested",
    tree(*(images(f"{c}/{s}/{c}", n) for c in AB for s, n in (("train", 20), ("test", 8)))),
    AB,
    40,
    16,
)
LAYOUTS.add("domains_office31", tree(*(class_folders(f"{d}/images/", 10) for d in ("amazon", "dslr", "webcam"))), None)


def tiny(root: str = "tiny-imagenet-200/") -> Files:
    f = tree(
        *(images(f"{root}train/{c}/images/{c}_", 20, ".jpg", width=1) for c in ("n01", "n02")),
        images(f"{root}val/images/val_", 10, ".jpg", width=1),
        images(f"{root}test/images/test_", 7, ".jpg", width=1),
    )
    f[f"{root}val/val_annotations.txt"] = "".join(f"val_{i}.jpg\tn0{1 + i % 2}\t0\t0\t62\t57\n" for i in range(10))
    f[f"{root}wnids.txt"] = "n01\nn02\n"
    f[f"{root}words.txt"] = "n01\tants\nn02\tbees\n"
    for c in ("n01", "n02"):
        f[f"{root}train/{c}/{c}_boxes.txt"] = "".join(f"{c}_{i}.jpg\t0\t0\t1\t1\n" for i in range(20))
    return f


LAYOUTS.add("tiny_imagenet", tiny(), ("n01", "n02"), 40, 10, may_refuse=True)
g = tree(
    *(images(f"GTSRB/Train/{c}/", 20, ".png", width=5) for c in ("0", "1")),
    images("GTSRB/Test/", 10, ".png", width=5),
    images("GTSRB/Meta/", 2, ".png", width=1),
)
g["GTSRB/Test.csv"] = "Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path\n" + "".join(
    f"8,8,1,1,7,7,{i % 2},Test/{i:05}.png\n" for i in range(10)
)
g["GTSRB/Train.csv"] = "Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path\n" + "".join(
    f"8,8,1,1,7,7,{c},Train/{c}/{i:05}.png\n" for c in (0, 1) for i in range(20)
)
g["GTSRB/Meta.csv"] = "Path,ClassId,ShapeId,ColorId,SignId\nMeta/0.png,0,1,0,3.1\nMeta/1.png,1,1,0,3.2\n"
LAYOUTS.add("gtsrb_kaggle", g, ("0", "1"), 40, 10, may_refuse=True)
g2 = tree(
    *(images(f"GTSRB/Final_Training/Images/{c}/00000_", 20, ".ppm", width=5) for c in ("00000", "00001")),
    images("GTSRB/Final_Test/Images/", 10, ".ppm", width=5),
)
g2["GTSRB/Final_Test/Images/GT-final_test.csv"] = (
    "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n"
    + "".join(f"{i:05}.ppm;8;8;1;1;7;7;{i % 2}\n" for i in range(10))
)
LAYOUTS.add("gtsrb_original_ppm", g2, ("00000", "00001"), 40, 10)
LAYOUTS.add(
    "kaggle_test_labels",
    tree(
        class_folders("train/"),
        images("test/", 10, width=1),
        {"test_labels.csv": "id,label\n" + "".join(f"{i},{AB[i % 2]}\n" for i in range(10))},
    ),
    AB,
    40,
    10,
    may_refuse=True,
)
LAYOUTS.add(
    "kaggle_test_labels_in",
    tree(
        class_folders("train/"),
        images("test/", 10, width=1),
        {"test/labels.csv": "filename,class\n" + "".join(f"{i}.jpg,{AB[i % 2]}\n" for i in range(10))},
    ),
    AB,
    40,
    10,
    may_refuse=True,
)
LAYOUTS.add(
    "val_flat_csv_train_csv",
    tree(
        class_folders("train/"),
        images("val/", 10, width=1),
        {
            "val.csv": "filename,class\n" + "".join(f"{i}.jpg,{AB[i % 2]}\n" for i in range(10)),
            "train.csv": "filename,class\n" + "".join(f"{c}/{c[0]}_{i:03}.jpg,{c}\n" for c in AB for i in range(20)),
        },
    ),
    AB,
    40,
    10,
    may_refuse=True,
)
LAYOUTS.add(
    "val_flat_other_names",
    tree(
        class_folders("train/"),
        images("val/", 10, width=1),
        {"val.csv": "filename,class\n" + "".join(f"{i}.jpg,{i % 2}\n" for i in range(10))},
    ),
    None,
)
LAYOUTS.add(
    "val_flat_partial",
    tree(
        class_folders("train/"),
        images("val/", 10, width=1),
        {"val.csv": "filename,class\n" + "".join(f"{i}.jpg,{AB[i % 2]}\n" for i in range(5))},
    ),
    AB,
    40,
    5,
    may_refuse=True,
)
LAYOUTS.add(
    "test_flat_sample_submission",
    tree(
        class_folders("train/"),
        images("test/", 10, width=1),
        {"sample_submission.csv": "id,label\n" + "".join(f"{i},ants\n" for i in range(10))},
    ),
    AB,
    40,
    None,
)
iv = tree(
    *(images(f"train/{c}/", 20) for c in ("n01440764", "n01443537")),
    images("val/ILSVRC2012_val_", 10, ".JPEG", width=8, form="JPEG"),
)
iv["LOC_val_solution.csv"] = "ImageId,PredictionString\n" + "".join(
    f"ILSVRC2012_val_{i:08},{('n01440764', 'n01443537')[i % 2]} 111 108 441 193 \n" for i in range(10)
)
iv["LOC_synset_mapping.txt"] = "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n"
LAYOUTS.add("imagenet_kaggle", iv, ("n01440764", "n01443537"), 40, 10, may_refuse=True)
iv2 = {k: v for k, v in iv.items() if not k.startswith("LOC")}
iv2["ILSVRC2012_validation_ground_truth.txt"] = "".join(f"{1 + i % 2}\n" for i in range(10))
LAYOUTS.add("imagenet_val_gt", iv2, None)
