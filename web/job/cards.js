// The figures of a job: the student beside its teacher.

/** @import { Accuracy, Job, MeasuredNetwork } from "../api/types.js" */

import { h } from "../view/dom.js";
import { bytes, count, dash, milliseconds, percent, ratio } from "../view/format.js";

/**
 * @typedef {object} Card
 * @property {string} name
 * @property {string} figure of the student
 * @property {string | false | null} [teacher] the same figure of the teacher
 * @property {string} [difference]
 * @property {string | null} [note]
 */

/** @param {Job} job */
export function cards(job) {
  const student = { ...job.student, ...job.result?.metrics };
  const teacher = { ...job.plan?.teacher, ...job.result?.teacher };
  if (!student.architecture) return null;
  const found = [accuracyCard(student, teacher, job), targetCard(student, teacher), ...sizeCards(student, teacher)];
  const latency = latencyCard(student, teacher);
  const shown = [...found, latency].filter((one) => one !== null);
  return h("section", { class: "cards", "aria-label": "Student beside teacher" }, shown.map(cardElement));
}

/**
 * @param {Partial<MeasuredNetwork>} student
 * @param {Partial<MeasuredNetwork>} teacher
 * @param {Job} job
 * @returns {Card}
 */
function accuracyCard({ test }, teacher, job) {
  const name = "Test top-1";
  if (test) return comparedAccuracy(name, test, teacher.test);
  const validation = job.plan?.teacher_validation_top1;
  const known = validation == null ? null : `${percent(validation)} on validation`;
  return { name, figure: dash, teacher: known, note: job.done ? null : "measured after training" };
}

/**
 * @param {Partial<MeasuredNetwork>} student
 * @param {Partial<MeasuredNetwork>} teacher
 */
function targetCard({ target }, teacher) {
  return target ? comparedAccuracy("Target domain top-1", target, teacher.target) : null;
}

/**
 * @param {string} name
 * @param {Accuracy} student
 * @param {Accuracy | undefined} teacher
 * @returns {Card}
 */
function comparedAccuracy(name, student, teacher) {
  const interval = intervalText(student);
  const note = interval && `95%: ${interval}`;
  if (!teacher) return { name, figure: percent(student.top1), note };
  const points = 100 * (student.top1 - teacher.top1);
  const difference = `${points >= 0 ? "+" : "−"}${Math.abs(points).toFixed(1)} points`;
  return { name, figure: percent(student.top1), teacher: percent(teacher.top1), difference, note };
}

/**
 * @param {Accuracy} accuracy
 * @returns {string | null}
 */
export function intervalText({ top1_interval: interval }) {
  return interval ? `${percent(interval[0])} to ${percent(interval[1])}` : null;
}

/**
 * @param {Partial<MeasuredNetwork>} student
 * @param {Partial<MeasuredNetwork>} teacher
 * @returns {Card[]}
 */
function sizeCards(student, teacher) {
  return [
    {
      name: "Parameters",
      figure: count(student.num_params),
      teacher: teacher.num_params !== undefined && count(teacher.num_params),
      difference: ratio(teacher.num_params, student.num_params),
    },
    {
      name: "MACs per image",
      figure: count(student.macs),
      teacher: teacher.macs !== undefined && count(teacher.macs),
      difference: ratio(teacher.macs, student.macs, "fewer", "more"),
    },
    {
      name: "Size, float32",
      figure: bytes(student.bytes),
      teacher: teacher.bytes !== undefined && bytes(teacher.bytes),
      difference: ratio(teacher.bytes, student.bytes),
    },
  ];
}

/**
 * @param {Partial<MeasuredNetwork>} student
 * @param {Partial<MeasuredNetwork>} teacher
 * @returns {Card | null}
 */
function latencyCard({ latency }, teacher) {
  if (!latency) return null;
  return {
    name: "Latency, one thread",
    figure: milliseconds(latency.p50_ms),
    teacher: teacher.latency && milliseconds(teacher.latency.p50_ms),
    difference: speed(latency.speedup),
  };
}

/**
 * Only what the engine measured in turns and beyond its spread: two latencies from different moments are no comparison.
 * @param {{ ratio: number } | null} [speedup]
 */
function speed(speedup) {
  return speedup ? ratio(speedup.ratio, 1, "faster", "slower") : undefined;
}

/** @param {Card} card */
function cardElement({ name, figure, teacher, difference, note }) {
  const worse = difference?.startsWith("−") ? "less" : "";
  return h(
    "div",
    { class: "card" },
    h("h3", {}, name),
    h("p", { class: "figure" }, figure),
    note && h("p", { class: "note" }, note),
    teacher && h("p", { class: "against" }, `teacher ${teacher}`),
    teacher && difference && h("p", { class: "against" }, h("b", { class: worse }, difference)),
  );
}
