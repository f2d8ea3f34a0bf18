// When each stage of a job began and how long it took, and the attempts before the latest one.

/** @import { Attempt, Job, JobEvent } from "../api/types.js" */

import { h } from "../view/dom.js";
import { between, clock, dash, seconds } from "../view/format.js";

const STAGES = ["queued", "preparing", "training", "evaluating", "exporting"];
/** @type {Record<string, string>} */
const OUTCOMES = {
  released: "was returned to the queue",
  paused: "was paused",
  lost: "was lost",
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "was cancelled",
};

/** @typedef {Record<string, string | undefined>} StageTimes */

/**
 * @param {Job} job
 * @param {JobEvent[]} events
 */
export function timeline(job, events) {
  const times = stageTimes(job, events);
  const stages = STAGES.map((name) => stageItem(name, job, times));
  const list = h("ol", { class: "timeline" }, stages, endItem(job));
  return h("section", { class: "panel", "aria-label": "Timeline" }, list, attemptList(job.attempts));
}

/**
 * When each stage was entered, since the job was last put into the queue.
 * @param {Job} job
 * @param {JobEvent[]} events
 */
function stageTimes(job, events) {
  /** @type {StageTimes} */
  let times = { queued: job.created_at };
  for (const { kind, data, at } of events) {
    if (kind === "state" && data.state === "queued") times = { queued: at };
    if (kind === "state" && data.state === "running") times.preparing = at;
    if (kind === "phase" && data.phase) times[data.phase] = data.phase === "preparing" ? times.preparing || at : at;
  }
  return times;
}

/**
 * @param {string} name
 * @param {Job} job
 * @param {StageTimes} times
 */
function stageItem(name, job, times) {
  const from = times[name];
  const later = STAGES.slice(STAGES.indexOf(name) + 1)
    .map((stage) => times[stage])
    .find(Boolean);
  const active = !job.done && name === (job.state === "queued" ? "queued" : job.phase);
  const state = active ? "active" : pastState(job, from, later);
  const duration = active
    ? `since ${seconds(between(from, new Date()))}`
    : seconds(between(from, later || job.finished_at));
  return h("li", { "data-state": state, title: from ? clock(from) : null }, h("b", {}, name), h("small", {}, duration));
}

/**
 * @param {Job} job
 * @param {string | undefined} from when the stage was entered
 * @param {string | undefined} later when one after it was entered
 */
function pastState(job, from, later) {
  if (!from) return "ahead";
  return job.state === "failed" && !later ? "failed" : "past";
}

/** @param {Job} job */
function endItem(job) {
  const duration = job.done ? `after ${seconds(between(job.created_at, job.finished_at))}` : dash;
  const name = h("b", {}, job.done ? job.state : "done");
  return h("li", { "data-state": job.done ? job.state : "ahead" }, name, h("small", {}, duration));
}

/** @param {Attempt[]} attempts */
function attemptList(attempts) {
  const unusual = attempts.length > 1 || attempts.some((one) => one.outcome && one.outcome !== "succeeded");
  return unusual && h("ol", { class: "attempts" }, attempts.map(attemptItem));
}

/** @param {Attempt} attempt */
function attemptItem({ number, worker, outcome, started_at: from, ended_at: to, error }) {
  const name = [h("b", {}, `Attempt ${number}`), " on ", h("span", { class: "mono" }, worker), " "];
  const story = outcome
    ? `${OUTCOMES[outcome]} after ${seconds(between(from, to))}`
    : `running for ${seconds(between(from, new Date()))}`;
  return h("li", {}, name, story, error && h("small", { class: "bad" }, `${error.code}: ${error.message}`));
}
