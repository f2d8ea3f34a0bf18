// A job in few words: its title, its state and its networks.

/** @import { Job, StoredSpec } from "../api/types.js" */

import { h } from "../view/dom.js";

/**
 * The state as a coloured label; of a running job, its phase.
 * @param {Job} job
 */
export function stateChip(job) {
  const text = job.state === "running" && job.phase ? job.phase : job.state;
  return h("span", { class: "chip", "data-state": job.state }, text);
}

/** @param {Job} job */
export function jobTitle({ name, summary }) {
  return name || networkPair(summary.teacher, summary.student);
}

/**
 * Teacher and student, by what a summary says of them.
 * @param {string | null} teacher
 * @param {string} student
 */
export function networkPair(teacher, student) {
  const target = student === "budget" ? "within a budget" : student;
  return `${teacherName(teacher ? nameOrWeights(teacher) : null)} → ${target}`;
}

/** @param {string} text */
function nameOrWeights(text) {
  return text.includes(":") ? { weights: text } : { architecture: text };
}

/** @param {{ architecture?: string | null, weights?: string | null } | null | undefined} teacher */
export function teacherName(teacher) {
  if (!teacher) return "no teacher";
  const { architecture, weights } = teacher;
  if (architecture) return architecture;
  return weights?.startsWith("job:") ? `job …${weights.slice(-6)}` : weights || "teacher";
}

/** @param {StoredSpec["student"]} student */
export function studentName(student) {
  return student.architecture || student.size || (student.budget ? "within a budget" : "student");
}
