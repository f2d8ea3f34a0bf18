// The head of a job's page: its name, state and buttons, what it does in one line, and why it failed.

/** @import { Job } from "../api/types.js" */
/** @import { ActionName } from "./actions.js" */

import { jobTitle, stateChip, studentName, teacherName } from "../jobs/describe.js";
import { methodName } from "../methods/terms.js";
import { copyButton, h } from "../view/dom.js";
import { actionButtons } from "./actions.js";
import { priorityField } from "./priority.js";

/**
 * @param {Job} job
 * @param {(name: ActionName) => void} onAction
 * @param {(work: Promise<{ data: Job }>) => void} onChange
 */
export function header(job, onAction, onChange) {
  const priority = priorityField(job, onChange);
  const buttons = h("span", { class: "actions" }, priority, actionButtons(job, onAction));
  return [
    breadcrumbs(job.id),
    h("div", { class: "heading" }, h("h1", {}, jobTitle(job)), stateChip(job), buttons),
    h("p", { class: "summary" }, summary(job), labels(job)),
    failure(job),
  ];
}

/** @param {string} id */
function breadcrumbs(id) {
  const jobs = h("a", { href: "#/jobs", "data-key": "back" }, "Jobs");
  return h("p", { class: "crumbs" }, jobs, " / ", h("span", { class: "mono" }, id), copyButton(id));
}

/** @param {Job} job */
function summary({ spec, student }) {
  const teachers = [spec.teacher, ...(spec.more_teachers || [])].map(teacherName).join(" + ");
  const target = spec.dataset.target_uri ? `, adapted to ${spec.dataset.target_uri}` : "";
  const networks = `${teachers} → ${student?.architecture || studentName(spec.student)}`;
  return `${networks} · ${methodName(spec.method)} · ${spec.dataset.uri}${target}`;
}

/** @param {Job} job */
function labels(job) {
  return Object.entries(job.labels).map(([key, value]) => {
    const query = new URLSearchParams({ label: `${key}=${value}` });
    return h("a", { class: "label", href: `#/jobs?${query}` }, `${key}=${value}`);
  });
}

/** @param {Job} job */
function failure({ error }) {
  if (!error) return null;
  const hint = error.hint && h("p", {}, error.hint);
  return h("div", { class: "notice", role: "alert" }, h("b", {}, error.code), ` ${error.message}`, hint);
}
