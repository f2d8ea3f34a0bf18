// Jobs to start from.

const SMALLEST = { teacher: "torchvision/resnet18", dataset: "builtin:digits", student: "nano" };
const PHOTOS = "file:///data/photos.zip";

/** @type {Record<string, Record<string, unknown>>} */
export const EXAMPLES = {
  "three strings": SMALLEST,
  "train a teacher on digits": {
    name: "digits-teacher",
    dataset: "builtin:digits",
    student: { architecture: "cifar/resnet20" },
    method: "scratch",
  },
  "chosen classes, with baselines": {
    name: "three-digits",
    teacher: "job:<id of an earlier job>",
    dataset: { uri: "builtin:digits", classes: ["3", "5", "8"], max_per_class: 20 },
    student: "nano",
    method: "skd",
    evaluation: { baselines: ["scratch", "finetune_student", "finetune"] },
  },
  "random initial weights": {
    teacher: "torchvision/resnet34",
    dataset: PHOTOS,
    student: { architecture: "torchvision/resnet18", weights: null },
  },
  "two methods added": { ...SMALLEST, method: ["kd", "skd"] },
  "adapt to a second domain": {
    teacher: "torchvision/resnet50",
    dataset: { uri: PHOTOS, target_uri: "file:///data/sketches.zip" },
    student: "tiny",
    method: "kd_uda",
  },
};
