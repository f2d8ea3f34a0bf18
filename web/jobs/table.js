// The table of jobs: one row a job.

/** @import { Job } from "../api/types.js" */

import { h, meter, tableHead } from "../view/dom.js";
import { age, clock, dash, percent, seconds } from "../view/format.js";
import { jobTitle, networkPair, stateChip } from "./describe.js";

const COLUMNS = ["State", "Job", "Teacher → student", "Progress", "Test top-1", "Created"];

/** @param {Job[]} jobs */
export function jobTable(jobs) {
  return h("table", { class: "records" }, tableHead(COLUMNS), h("tbody", {}, jobs.map(row)));
}

/** @param {Job} job */
function row(job) {
  return h(
    "tr",
    {},
    h("td", {}, stateChip(job)),
    h("td", { class: "main" }, identity(job)),
    h("td", { "data-head": "Networks" }, networks(job)),
    h("td", { "data-head": "Progress" }, progress(job)),
    h("td", { "data-head": "Test top-1" }, score(job)),
    h("td", { "data-head": "Created" }, created(job)),
  );
}

/** @param {Job} job */
function identity(job) {
  return [
    h("a", { href: `#/jobs/${job.id}`, "data-key": job.id }, jobTitle(job)),
    h("small", { class: "mono" }, job.id),
    ...Object.entries(job.labels).map(([key, value]) => h("span", { class: "label" }, `${key}=${value}`)),
  ];
}

/** @param {Job} job */
function networks({ summary, student }) {
  const pair = networkPair(summary.teacher, student?.architecture || summary.student);
  return [h("span", {}, pair), h("small", {}, summary.method)];
}

/** @param {Job} job */
function progress(job) {
  if (job.state === "queued") return queuePosition(job);
  if (job.state === "failed") return h("small", { class: "bad" }, job.error?.code || "failed");
  if (job.done) return h("small", {}, seconds(job.runtime_seconds));
  const { fraction = 0, eta_seconds: left } = job.progress ?? {};
  const rest = job.state === "paused" ? "paused" : left == null ? "…" : `${seconds(left)} left`;
  const words = `${percent(fraction, 0)} · ${rest}`;
  return h("span", { class: "progress" }, meter(fraction, `progress of ${jobTitle(job)}`), h("small", {}, words));
}

/** @param {Job} job */
function queuePosition(job) {
  const waiting = `number ${job.queue?.position ?? dash} in the queue`;
  if (!job.queue?.reason) return h("small", {}, waiting);
  return h("small", { class: "warn" }, `${waiting}: ${job.queue.reason}`);
}

/** @param {Job} job */
function score({ result }) {
  const top1 = result?.metrics?.test?.top1;
  if (top1 === undefined) return dash;
  const teacher = result?.teacher?.test?.top1;
  return h("span", {}, percent(top1), teacher !== undefined && h("small", {}, `teacher ${percent(teacher)}`));
}

/** @param {Job} job */
function created({ created_at: at }) {
  return h("time", { datetime: at, title: clock(at) }, age(at));
}
