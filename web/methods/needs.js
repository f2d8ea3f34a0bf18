// What a method needs from a job, and which of it the job does not have yet.

/** @import { Method } from "../api/types.js" */

import { h } from "../view/dom.js";

/** @typedef {Record<string, any>} JobText the job as a person writes it: anything may be missing or wrong */

/**
 * Needs that can be seen in the text of a job; the others are known only when data and weights are read.
 * @type {Record<string, (job: JobText) => boolean>}
 */
const IS_MET = {
  teacher: (job) => Boolean(job.teacher),
  "initial weights": (job) => Boolean(job.teacher || job.student?.weights),
  "target images": (job) => Boolean(job.dataset?.target_uri),
  trajectory: (job) => Boolean(job.teacher?.trajectory || JSON.stringify(job.teacher || "").includes("job:")),
};
/** @type {Record<string, string>} */
const EXPLANATIONS = {
  teacher: "the big network",
  labels: "the classes of the training images",
  "common classes": "the teacher's classes include the customer's; known once the weights are read",
  "initial weights": "a teacher with student same, or student.weights",
  "target images": "dataset.target_uri",
  trajectory: "a job: teacher that kept checkpoints (training.keep_trajectory), or teacher.trajectory",
};

/**
 * @param {Method} method
 * @param {JobText} job
 */
export function needList(method, job) {
  return h(
    "p",
    { class: "needs" },
    "Needs ",
    method.needs.map((need) => needLabel(need, IS_MET[need]?.(job) ?? true)),
  );
}

/**
 * @param {string} need
 * @param {boolean} met
 */
function needLabel(need, met) {
  const attributes = { class: met ? "label" : "label lacking", title: EXPLANATIONS[need] };
  return h("span", attributes, met ? need : `${need}: missing`);
}
