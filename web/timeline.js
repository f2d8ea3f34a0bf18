// What happened when: the stages of the latest attempt, and the attempts before it.

import { h } from "./dom.js";
import { between, clock, dash, seconds } from "./format.js";

const STAGES = ["queued", "preparing", "training", "evaluating", "exporting"];
const WORDS = { released: "gave it back", lost: "was lost", succeeded: "finished it", failed: "failed", cancelled: "cancelled it" };

export function timeline(job, events) {
  const entered = stamps(job, events);
  const stages = STAGES.map((name, index) => {
    const from = entered[name];
    const next = STAGES.slice(index + 1).map((later) => entered[later]).find(Boolean) || job.finished_at;
    const active = !job.done && (job.state === "queued" ? name === "queued" : name === job.phase);
    const state = active ? "active" : from ? (job.state === "failed" && !STAGES.slice(index + 1).some((later) => entered[later]) ? "failed" : "past") : "ahead";
    return h("li", { "data-state": state, title: from ? clock(from) : null }, h("b", {}, name), h("small", {}, active ? `since ${seconds(between(from, new Date()))}` : from ? seconds(between(from, next)) : dash));
  });
  const end = h("li", { "data-state": job.done ? job.state : "ahead" }, h("b", {}, job.done ? job.state : "done"), h("small", {}, job.done ? `after ${seconds(between(job.created_at, job.finished_at))}` : dash));
  const earlier = job.attempts.length > 1 || job.attempts.some((one) => one.outcome && one.outcome !== "succeeded") ? attempts(job.attempts) : null;
  return h("section", { class: "panel", "aria-label": "Timeline" }, h("ol", { class: "timeline" }, stages, end), earlier);
}

// When each stage was entered last, since the job was last queued.
function stamps(job, events) {
  const entered = { queued: job.created_at };
  for (const { kind, data, at } of events) {
    if (kind === "state" && data.state === "queued") for (const name of STAGES) delete entered[name];
    if (kind === "state" && data.state === "queued") entered.queued = at;
    if (kind === "state" && data.state === "running") entered.preparing = at;
    if (kind === "phase") entered[data.phase] = data.phase === "preparing" ? entered.preparing || at : at;
  }
  return entered;
}

function attempts(list) {
  return h("ol", { class: "attempts" }, list.map((one) => h("li", {},
    h("b", {}, `Attempt ${one.number}`), " on ", h("span", { class: "mono" }, one.worker), " ",
    one.outcome ? `${WORDS[one.outcome]} after ${seconds(between(one.started_at, one.ended_at))}` : `running for ${seconds(between(one.started_at, new Date()))}`,
    one.error ? h("small", { class: "bad" }, `${one.error.code}: ${one.error.message}`) : null)));
}
