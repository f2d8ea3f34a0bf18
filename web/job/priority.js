// The priority of a job that waits, and changing it.

/** @import { Job } from "../api/types.js" */

import { request } from "../api/request.js";
import { h } from "../view/dom.js";

/**
 * What a person has entered and not sent, by job: the field is drawn anew whenever the job changes.
 * @type {Map<string, string>}
 */
const entered = new Map();

/**
 * A field with the job's priority; null where the priority has no meaning any more.
 * @param {Job} job
 * @param {(work: Promise<{ data: Job }>) => void} onChange
 */
export function priorityField(job, onChange) {
  if (!["queued", "paused"].includes(job.state)) return null;
  const field = h("input", {
    type: "number",
    name: "priority",
    min: -100,
    max: 100,
    step: 1,
    required: true,
    value: entered.get(job.id) ?? job.priority,
    "data-key": "priority",
    input: () => entered.set(job.id, field.value),
  });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    entered.delete(job.id);
    const body = JSON.stringify({ priority: Number(field.value) });
    onChange(request(`/v1/jobs/${job.id}`, { method: "PATCH", body }));
  };
  const title = "Higher runs first among the jobs of a tenant";
  return h(
    "form",
    { class: "priority", title, submit },
    h("label", {}, "Priority ", field),
    h("button", { type: "submit", class: "small", "data-key": "set-priority" }, "Set"),
  );
}
