// The plan of a job: what it would be, before anything is trained.

/** @import { DatasetFacts, Job, PlanAnswer } from "../api/types.js" */

import { h } from "../view/dom.js";
import { bytes, count, percent, plural, seconds } from "../view/format.js";
import { warningPanel } from "../view/warnings.js";

const SHOWN_CLASSES = 12;
/** @type {Record<string, string>} */
const INITIAL_WEIGHTS = { teacher: "the weights of its teacher", published: "published weights" };

/** @param {PlanAnswer} plan */
export function planSummary(plan) {
  const rows = [...studentRows(plan), ...teacherRows(plan), ...datasetRows(plan), ...costRows(plan)];
  const list = rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
  const { reason } = plan.estimate;
  return [
    h("h2", {}, "The plan"),
    warningPanel(plan.warnings),
    h("dl", { class: "plan" }, list),
    reason && h("p", { class: "quiet-text" }, reason),
  ];
}

/**
 * @param {PlanAnswer} plan
 * @returns {Row[]}
 */
function studentRows({ spec, student }) {
  const { weights } = spec.student;
  const start = INITIAL_WEIGHTS[weights ?? ""] ?? weights ?? "random weights";
  return [
    ["Student", student.architecture],
    ["", `${count(student.num_params)} params · ${count(student.macs)} MACs · ${bytes(student.bytes)}`],
    ["", `starts with ${start}`],
  ];
}

/**
 * @param {PlanAnswer} plan
 * @returns {Row[]}
 */
function teacherRows({ teacher, teacher_validation_top1: top1 }) {
  if (!teacher) return [];
  const accuracy = top1 == null ? "" : ` · ${percent(top1)} top-1 on validation`;
  return [
    ["Teacher", teacher.architecture],
    ["", `${count(teacher.num_params)} params · ${count(teacher.macs)} MACs${accuracy}`],
  ];
}

/** @typedef {[name: string, value: string]} Row */

/**
 * @param {PlanAnswer} plan
 * @returns {Row[]}
 */
function datasetRows({ dataset }) {
  const { classes, num_train: train, num_validation: validation, num_test: test } = dataset;
  const names = classes.slice(0, SHOWN_CLASSES).join(", ");
  return [
    ["Images", `${train} for training, ${validation} for validation, ${test} for the test`],
    ...provableRows(dataset.smallest_difference),
    ["Classes", `${classes.length}: ${names}${classes.length > SHOWN_CLASSES ? ", …" : ""}`],
    ...tableRows(dataset),
    ...unusedRows(dataset),
  ];
}

/**
 * How small a difference between two networks the test images can prove.
 * @param {number | null} [difference]
 * @returns {Row[]}
 */
function provableRows(difference) {
  return difference == null ? [] : [["", `the test can prove a difference of ${(100 * difference).toFixed(1)} points`]];
}

/**
 * @param {DatasetFacts} dataset
 * @returns {Row[]}
 */
function tableRows({ tables = [] }) {
  return tables.map(({ path, image_column: image, label_column: label, num_rows: rows }) => {
    return ["Labels", `${plural(rows, "row")} of ${path}, columns ${image} and ${label}`];
  });
}

/**
 * @param {DatasetFacts} dataset
 * @returns {Row[]}
 */
function unusedRows({ num_unreadable: unreadable, passed_over: reasons = {} }) {
  /** @type {Row[]} */
  const rows = Object.entries(reasons).map(([reason, files]) => ["Not used", `${plural(files, "file")}: ${reason}`]);
  return unreadable ? [...rows, ["Not used", plural(unreadable, "unreadable image")]] : rows;
}

/**
 * @param {PlanAnswer} plan
 * @returns {Row[]}
 */
function costRows({ estimate }) {
  const time = estimate.training_seconds ? `, about ${seconds(estimate.training_seconds)}` : "";
  return [
    ["Training", `${count(estimate.steps)} steps${time}`],
    ...(estimate.memory_bytes ? [/** @type {Row} */ (["Memory", bytes(estimate.memory_bytes)])] : []),
  ];
}

/**
 * What is shown while a plan has no answer yet.
 * @param {Job} job of kind plan
 */
export function unfinishedPlan(job) {
  const cause =
    job.queue?.eligible_workers === 0
      ? `Nothing can plan it: ${job.queue.reason}.`
      : "Planning takes longer than a minute.";
  return [
    h("h2", {}, "Not known yet"),
    h("p", {}, cause),
    h("p", {}, h("a", { href: `#/jobs/${job.id}` }, "Watch the plan")),
  ];
}
