"""Tables of labels as tools write them."""

# ruff: noqa: E501  # a layout is one expression, however long

import json

from tests.core.data.siblings.layouts import AB, Layouts, class_folders, images, tree

LAYOUTS = Layouts()
f = images("images/", 40)
f["labels.csv"] = "id,annotator,annotation_id,created_at,choice,image\n" + "".join(
    f"{i},1,{i},2024,{AB[i % 2]},/data/upload/1/{'ab12cd34'}-{i:03}.jpg\n" for i in range(40)
)
LAYOUTS.add("label_studio_csv", f, None)
f = images("images/", 40)
f["labels.csv"] = "image,id,choice,annotator\n" + "".join(f"images/{i:03}.jpg,{i},{AB[i % 2]},{7}\n" for i in range(40))
LAYOUTS.add("label_studio_csv_local", f, AB, 40, None, may_refuse=True)
f = images("images/", 40)
f["export.csv"] = "".join(
    f"{('TRAIN', 'VALIDATION', 'TEST')[0 if i < 24 else 1 if i < 30 else 2]},gs://bucket/ants/images/{i:03}.jpg,{AB[i % 2]}\n"
    for i in range(40)
)
LAYOUTS.add("vertex_csv_gs", f, AB, 30, 10, may_refuse=True)
f = images("images/", 40)
f["export.csv"] = "".join(
    f"{('TRAIN', 'VALIDATION', 'TEST')[0 if i < 24 else 1 if i < 30 else 2]},images/{i:03}.jpg,{AB[i % 2]}\n"
    for i in range(40)
)
LAYOUTS.add("vertex_csv_local", f, AB, 30, 10)
f = images("images/", 40)
f["export.csv"] = "".join(
    f"{('TRAIN', 'VALIDATION', 'TEST')[0 if i < 24 else 1 if i < 30 else 2]},images/{i:03}.jpg,{AB[i % 2]},\n"
    for i in range(40)
)
LAYOUTS.add("vertex_csv_trailing", f, AB, 30, 10, may_refuse=True)
coco = {
    "info": {"y": 1},
    "images": [{"id": i, "file_name": f"images/{i:03}.jpg", "width": 8, "height": 8} for i in range(40)],
    "annotations": [{"id": i, "image_id": i, "category_id": i % 2} for i in range(40)],
    "categories": [{"id": 0, "name": "ants"}, {"id": 1, "name": "bees"}],
}
f = images("images/", 40)
f["train.json"] = json.dumps(coco)
LAYOUTS.add("inat_coco", f, AB, 40, None, may_refuse=True)
f = tree(class_folders("images/"))
f["annotations.json"] = json.dumps(coco)
LAYOUTS.add("coco_beside_folders", f, AB, 40, None, may_refuse=True)
f = images("HAM10000_images_part_1/ISIC_", 20, width=7)
f.update(images("HAM10000_images_part_2/ISIC_", 20, width=7, start=20))
f["HAM10000_metadata.csv"] = "lesion_id,image_id,dx,dx_type,age,sex,localization\n" + "".join(
    f"HAM_{i // 2},ISIC_{i:07},{('nv', 'mel')[i % 2]},histo,{40 + i}.0,male,back\n" for i in range(40)
)
f["hmnist_8_8_L.csv"] = "pixel0000,pixel0001,label\n" + "".join(f"{i},{i},{i % 2}\n" for i in range(40))
LAYOUTS.add("ham10000", f, None)
LAYOUTS.add("ham10000_named", f, ("mel", "nv"), 40, None, image_column="image_id", label_column="dx")
f = images("ISIC_2019_Training_Input/ISIC_", 40, width=7)
f["ISIC_2019_Training_GroundTruth.csv"] = "image,MEL,NV,UNK\n" + "".join(
    f"ISIC_{i:07},{float(i % 2 == 0)},{float(i % 2 == 1)},0.0\n" for i in range(40)
)
LAYOUTS.add("isic_onehot", f, ("MEL", "NV"), 40, None)
f = images("train/", 40)
f["train_labels.csv"] = "filename,width,height,class,xmin,ymin,xmax,ymax\n" + "".join(
    f"{i:03}.jpg,8,8,{AB[i % 2]},1,1,5,5\n" for i in range(40)
)
LAYOUTS.add("tf_od_csv", f, AB, 40, None)
f = images("train/", 40)
f["train/_annotations.csv"] = (
    "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    + "".join(f"{i:03}.jpg,8,8,{AB[i % 2]},1,1,5,5\n" for i in range(40))
    + "000.jpg,8,8,bees,1,1,5,5\n"
)
LAYOUTS.add("roboflow_boxes_twice", f, None)
f = tree(*(images(f"{s}/", n) for s, n in (("train", 24), ("valid", 6), ("test", 10))))
for s, n in (("train", 24), ("valid", 6), ("test", 10)):
    f[f"{s}/_classes.csv"] = "filename, ants, bees\n" + "".join(
        f"{i:03}.jpg, {int(i % 2 == 0)}, {int(i % 2 == 1)}\n" for i in range(n)
    )
LAYOUTS.add("roboflow_multiclass", f, AB, 30, 10)
