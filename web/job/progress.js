// How far a job is: its number in the queue, or the progress of its training.

/** @import { Job } from "../api/types.js" */

import { factList, h, meter } from "../view/dom.js";
import { age, count, dash, number, percent, plural, seconds } from "../view/format.js";

/** @param {Job} job */
export function progressPanel(job) {
  if (job.state === "queued") return queuePanel(job);
  if (job.done || !job.progress) return null;
  const bar = meter(job.progress.fraction, "progress");
  const known = job.state === "paused" ? { ...job.progress, eta_seconds: null, images_per_second: null } : job.progress;
  return h("section", { class: "panel now", "aria-label": "Progress" }, bar, factList(facts(known)));
}

/** @param {Job} job */
function queuePanel(job) {
  const workers = job.queue?.eligible_workers;
  const why = job.queue?.reason;
  const outlook = workers
    ? `${plural(workers, "worker")} alive can run it.${why ? ` But ${why}.` : ""}`
    : `But ${why}: nothing happens until one starts.`;
  const text = `Number ${job.queue?.position ?? dash} in the queue. ${outlook}`;
  return h("p", { class: `panel now ${why ? "warn" : ""}` }, text);
}

/**
 * @param {NonNullable<Job["progress"]>} progress
 * @returns {[value: string, name: string][]}
 */
function facts(progress) {
  const { fraction, run, epoch, epochs, step, steps, images_per_second: rate, eta_seconds: left } = progress;
  return [
    [percent(fraction, 0), "done"],
    [left == null ? "…" : seconds(left), "left"],
    [`${epoch ?? dash}/${epochs ?? dash}`, `epochs of ${run ?? "the job"}`],
    [`${count(step)}/${count(steps)}`, "steps"],
    [number(rate, 3), "images/s"],
    [progress.updated_at ? age(progress.updated_at) : dash, "last update"],
  ];
}
