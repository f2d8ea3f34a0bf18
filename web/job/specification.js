// What a job was asked to do: its times, its methods, and its specification as JSON.

/** @import { Job } from "../api/types.js" */

import { methodFacts } from "../methods/facts.js";
import { copyButton, factList, h } from "../view/dom.js";
import { clock, seconds } from "../view/format.js";

/**
 * A text that changes whenever the drawing would.
 * @param {Job} job
 */
export function specificationKey({ spec, plan, started_at: started, finished_at: finished }) {
  return JSON.stringify([spec, plan?.estimate?.reason, started, finished]);
}

/** @param {Job} job */
export function specification(job) {
  const reason = job.plan?.estimate?.reason;
  return h(
    "section",
    { class: "panel" },
    h("h2", {}, "Specification"),
    factList(times(job)),
    methodFacts(job.spec.method),
    reason && h("p", { class: "quiet-text" }, reason),
    resolvedJson(job),
    h("p", {}, h("a", { href: `#/new?from=${job.id}`, "data-key": "again" }, "Use it for a new job")),
  );
}

/** @param {Job} job */
function resolvedJson({ spec }) {
  const text = JSON.stringify(spec, null, 2);
  return h("details", {}, h("summary", {}, "JSON, as resolved"), copyButton(text), h("pre", {}, text));
}

/**
 * @param {Job} job
 * @returns {[value: string, name: string][]}
 */
function times(job) {
  /** @type {[string | null | undefined, string][]} */
  const facts = [
    [clock(job.created_at), "Created"],
    [job.started_at && clock(job.started_at), "Started"],
    [job.finished_at && clock(job.finished_at), "Ended"],
    [seconds(job.runtime_seconds), "Worked for"],
    [String(job.priority), "Priority"],
  ];
  return facts.flatMap(([value, name]) => (value ? [[value, name]] : []));
}
