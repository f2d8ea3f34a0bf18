// The plan of a job: what it would be, before anything is trained.

/** @import { Job, PlanAnswer } from "../api/types.js" */

import { missingWorker } from "../jobs/describe.js";
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
 * @returns {[name: string, value: string][]}
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
 * @returns {[name: string, value: string][]}
 */
function teacherRows({ teacher, teacher_validation_top1: top1 }) {
  if (!teacher) return [];
  const accuracy = top1 == null ? "" : ` · ${percent(top1)} top-1 on validation`;
  return [
    ["Teacher", teacher.architecture],
    ["", `${count(teacher.num_params)} params · ${count(teacher.macs)} MACs${accuracy}`],
  ];
}

/**
 * @param {PlanAnswer} plan
 * @returns {[name: string, value: string][]}
 */
function datasetRows({ dataset }) {
  const { classes, num_train: train, num_validation: validation, num_test: test, num_unreadable: unreadable } = dataset;
  const names = classes.slice(0, SHOWN_CLASSES).join(", ");
  return [
    ["Images", `${train} for training, ${validation} for validation, ${test} for the test`],
    ["Classes", `${classes.length}: ${names}${classes.length > SHOWN_CLASSES ? ", …" : ""}`],
    ...(unreadable ? [/** @type {[string, string]} */ (["Left out", plural(unreadable, "unreadable image")])] : []),
  ];
}

/**
 * @param {PlanAnswer} plan
 * @returns {[name: string, value: string][]}
 */
function costRows({ estimate }) {
  const time = estimate.training_seconds ? `, about ${seconds(estimate.training_seconds)}` : "";
  return [
    ["Training", `${count(estimate.steps)} steps${time}`],
    ...(estimate.memory_bytes ? [/** @type {[string, string]} */ (["Memory", bytes(estimate.memory_bytes)])] : []),
  ];
}

/**
 * What is shown while a plan has no answer yet.
 * @param {Job} job of kind plan
 */
export function unfinishedPlan(job) {
  const cause =
    job.queue?.eligible_workers === 0
      ? `Nothing can plan it: ${missingWorker(job)}.`
      : "Planning takes longer than a minute.";
  return [
    h("h2", {}, "Not known yet"),
    h("p", {}, cause),
    h("p", {}, h("a", { href: `#/jobs/${job.id}` }, "Watch the plan")),
  ];
}
