// One job: its story, figures, curves, log and files, live.

import { artifacts } from "./artifacts.js";
import { cards, proof } from "./cards.js";
import { curves } from "./curves.js";
import { copyButton, h, meter, replace } from "./dom.js";
import { age, clock, count, number, percent, seconds } from "./format.js";
import { chip, network, nobody, title } from "./jobs.js";
import { logs } from "./logs.js";
import { methodFacts, methodName } from "./methods.js";
import { timeline } from "./timeline.js";
import { complaint, follow, request } from "./wire.js";

const MOVES = {
  cancel: { fits: (job) => ["queued", "running"].includes(job.state), send: (id) => request(`/v1/jobs/${id}/cancel`, { method: "POST" }) },
  retry: { fits: (job) => ["failed", "cancelled"].includes(job.state), send: (id) => request(`/v1/jobs/${id}/retry`, { method: "POST" }) },
  delete: { fits: (job) => job.done, send: (id) => request(`/v1/jobs/${id}`, { method: "DELETE" }), question: "Delete this job, its metrics and its artifacts?" },
};

export function showJob(view, id, signal) {
  const parts = Object.fromEntries(["head", "notice", "now", "figures", "proof", "spec"].map((name) => [name, h("div", { class: `part-${name}` })]));
  const drawn = { curves: curves(id, signal), logs: logs(), artifacts: artifacts(id, signal) };
  const events = [];
  let job = null, source = null, specified = null;
  view.replaceChildren(parts.head, parts.notice, parts.now, parts.figures, parts.proof, drawn.curves.element, drawn.artifacts.element, drawn.logs.element, parts.spec);
  const drawTime = () => job && replace(parts.now, timeline(job, events), now(job));
  const draw = () => {
    document.title = `${title(job)} · Retort`;
    replace(parts.head, head(job, act));
    drawTime();
    replace(parts.figures, cards(job));
    replace(parts.proof, proof(job));
    const told = JSON.stringify([job.spec, job.started_at, job.finished_at]); // else an opened JSON would fold at each change
    if (told !== specified) replace(parts.spec, specification(job));
    specified = told;
  };
  async function act(name) {
    const move = MOVES[name];
    if (move.question && !confirm(move.question)) return;
    try {
      const { data } = await move.send(id);
      if (name === "delete") location.hash = "#/jobs";
      else { job = data; draw(); listen(); }
    } catch (error) {
      tell(error);
    }
  }
  const tell = (error) => replace(parts.notice, error && h("p", { class: "notice", role: "alert" }, complaint(error)));
  function listen() {
    if (source && source.readyState !== EventSource.CLOSED) return;
    source = new EventSource(`/v1/jobs/${id}/events?after=${events.at(-1)?.seq || 0}`);
    for (const kind of ["state", "phase", "resolved", "checkpoint", "artifact", "log"]) source.addEventListener(kind, hear);
  }
  function hear({ data }) {
    const event = JSON.parse(data);
    if (event.seq <= (events.at(-1)?.seq || 0)) return;
    events.push(event);
    if (event.kind === "log") drawn.logs.add(event);
    if (event.kind === "artifact") soon("artifacts", () => drawn.artifacts.refresh());
    if (event.kind === "state" || event.kind === "phase") soon("timeline", drawTime);
  }
  const waiting = new Set();
  function soon(name, work) { // many events in a burst make one redraw
    if (waiting.has(name)) return;
    waiting.add(name);
    setTimeout(() => { waiting.delete(name); if (!signal.aborted) work(); }, 100);
  }
  let started = false;
  follow(`/v1/jobs/${id}`, { wait: 20, signal, fail: tell, pause: () => (document.hidden ? 10000 : job?.done ? 5000 : 800),
    take: (data) => {
      job = data;
      draw();
      soon("curves", () => drawn.curves.refresh(job).catch(() => {}));
      if (!started) { started = true; listen(); drawn.artifacts.refresh().catch(() => {}); }
    } });
  const ticking = setInterval(() => { if (job && !job.done) drawTime(); }, 1000);
  signal.addEventListener("abort", () => { clearInterval(ticking); source?.close(); });
}

function head(job, act) {
  const buttons = Object.keys(MOVES).filter((name) => MOVES[name].fits(job)).map((name) =>
    h("button", { type: "button", class: name === "delete" ? "danger" : "", "data-key": name, click: () => act(name) }, name[0].toUpperCase() + name.slice(1)));
  const labels = Object.entries(job.labels).map(([key, value]) => h("a", { class: "label", href: `#/jobs?${new URLSearchParams({ label: `${key}=${value}` })}` }, `${key}=${value}`));
  return [h("p", { class: "crumbs" }, h("a", { href: "#/jobs", "data-key": "back" }, "Jobs"), " / ", h("span", { class: "mono" }, job.id), copyButton(job.id)),
    h("div", { class: "heading" }, h("h1", {}, title(job)), chip(job), h("span", { class: "actions" }, buttons)),
    h("p", { class: "summary" }, summary(job), labels),
    job.error && h("div", { class: "notice", role: "alert" }, h("b", {}, job.error.code), ` ${job.error.message}`, job.error.hint && h("p", {}, job.error.hint))];
}

function summary({ spec, student }) {
  const teachers = [network(spec.teacher, "no teacher"), ...(spec.more_teachers || []).map((one) => network(one))].join(" + ");
  const target = spec.dataset.target_uri ? `, adapted to ${spec.dataset.target_uri}` : "";
  return `${teachers} → ${student?.architecture || network(spec.student)} · ${methodName(spec.method)} · ${spec.dataset.uri}${target}`;
}

function now(job) {
  if (job.state === "queued") {
    const { position, eligible_workers: workers } = job.queue || {};
    return h("p", { class: `panel now ${workers ? "" : "warn"}` }, `Number ${position} in the queue. ${workers ? `${workers} worker${workers > 1 ? "s" : ""} alive that can run it.` : `But ${nobody(job)}: nothing happens until one starts.`}`);
  }
  if (job.done || !job.progress) return null;
  const { fraction, run, epoch, epochs, step, steps, images_per_second: rate, eta_seconds: eta, updated_at: updated } = job.progress;
  const facts = [[percent(fraction, 0), "done"], [eta == null ? "…" : seconds(eta), "left"], [`${epoch}/${epochs}`, `epochs of ${run}`], [`${count(step)}/${count(steps)}`, "steps"],
    [rate == null ? "–" : number(rate, 3), "images/s"], [updated ? age(updated) : "–", "last sign"]];
  return h("section", { class: "panel now", "aria-label": "Progress" }, meter(fraction, "progress"),
    h("dl", { class: "facts" }, facts.map(([value, name]) => h("div", {}, h("dd", {}, value), h("dt", {}, name)))));
}

function specification(job) {
  const text = JSON.stringify(job.spec, null, 2);
  const facts = [["Created", clock(job.created_at)], ["Started", job.started_at && clock(job.started_at)], ["Ended", job.finished_at && clock(job.finished_at)], ["Worked for", seconds(job.runtime_seconds)], ["Priority", String(job.priority)]];
  return h("section", { class: "panel" }, h("h2", {}, "Specification"),
    h("dl", { class: "facts" }, facts.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dd", {}, value), h("dt", {}, name)))),
    methodFacts(job.spec.method),
    job.plan?.estimate?.reason && h("p", { class: "quiet-text" }, job.plan.estimate.reason),
    h("details", {}, h("summary", {}, "JSON, as resolved"), copyButton(text), h("pre", {}, text)),
    h("p", {}, h("a", { href: `#/new?from=${job.id}`, "data-key": "again" }, "Use it for a new job")));
}
