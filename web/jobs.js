// The list of jobs: filtered by state and label, live.

import { h, meter, replace } from "./dom.js";
import { age, clock, dash, percent, seconds } from "./format.js";
import { methodName } from "./methods.js";
import { complaint, follow, request } from "./wire.js";

const STATES = ["queued", "running", "cancelling", "succeeded", "failed", "cancelled"];
const PAGE = 50;

export function chip(job) {
  const text = job.state === "running" && job.phase ? job.phase : job.state;
  return h("span", { class: "chip", "data-state": job.state }, text);
}

export function title(job) {
  return job.name || `${network(job.spec.teacher, "no teacher")} → ${network(job.spec.student, "student")}`;
}

// Why a queued job has no eligible worker, as the middle of a sentence.
export function nobody({ spec }) {
  const { devices } = spec.training;
  return /^(cuda|auto:)/.test(devices) ? `no worker alive can train on ${devices}` : "no worker is alive";
}

export function network(part, fallback) {
  if (!part) return fallback;
  if (part.architecture) return part.architecture;
  if (part.size) return part.size;
  if (part.budget) return "within a budget";
  if (part.weights) return part.weights.startsWith("job:") ? `job …${part.weights.slice(-6)}` : part.weights;
  return fallback;
}

export function showJobs(view, parameters, signal) {
  document.title = "Jobs · Retort";
  const notice = h("p", { class: "notice", role: "alert", hidden: true });
  const body = h("div", { "aria-live": "off" });
  const more = h("div", { class: "more" });
  view.replaceChildren(h("div", { class: "heading" }, h("h1", {}, "Jobs"), h("a", { class: "button", href: "#/new" }, "New job")),
    filters(parameters), notice, body, more);
  const query = new URLSearchParams([["limit", PAGE]]);
  for (const name of ["state", "label"]) for (const value of parameters.getAll(name)) query.append(name, value);
  const older = [];
  let first = null;
  const draw = () => {
    const jobs = [...first.data, ...older.flatMap((page) => page.data)];
    replace(body, jobs.length ? table(jobs) : empty(parameters));
    const last = older.at(-1) || first;
    replace(more, last.has_more && h("button", { type: "button", "data-key": "more", click: () => load(last.next_cursor) }, "Older jobs"));
  };
  async function load(cursor) {
    older.push((await request(`/v1/jobs?${query}&after=${cursor}`, { signal })).data);
    draw();
  }
  follow(`/v1/jobs?${query}`, { signal, pause: () => (document.hidden ? 15000 : 2000),
    take: (page) => { first = page; },
    fail: (error) => { notice.hidden = !error; notice.textContent = error ? complaint(error) : ""; if (first) draw(); } }); // ages grow even where nothing changes
}

function filters(parameters) {
  const chosen = parameters.getAll("state");
  const label = h("input", { type: "search", name: "label", placeholder: "label, such as team=retail", "aria-label": "Filter by label",
    value: parameters.getAll("label").join(" ") });
  const go = (states) => {
    const next = new URLSearchParams();
    for (const state of states) next.append("state", state);
    for (const text of label.value.split(/\s+/).filter(Boolean)) next.append("label", text);
    location.hash = next.size ? `#/jobs?${next}` : "#/jobs";
  };
  const buttons = [null, ...STATES].map((state) => h("button", { type: "button", class: "filter",
    "aria-pressed": String(state ? chosen.includes(state) : !chosen.length), click: () => go(state ? [state] : []) }, state || "all"));
  return h("form", { class: "filters", submit: (event) => { event.preventDefault(); go(chosen); } },
    h("div", { class: "segments", role: "group", "aria-label": "Filter by state" }, buttons), label);
}

function empty(parameters) {
  if (parameters.size) return h("div", { class: "empty" }, h("h2", {}, "No job fits"), h("a", { href: "#/jobs" }, "Show all jobs"));
  return h("div", { class: "empty" },
    h("img", { src: "/web/icon.svg", alt: "", width: 72, height: 72 }),
    h("h2", {}, "Nothing distilled yet"),
    h("p", {}, "A job takes a big teacher network and your images, and gives back a small network that knows your classes."),
    h("a", { class: "button", href: "#/new" }, "Submit the first job"));
}

function table(jobs) {
  const head = ["State", "Job", "Teacher → student", "Progress", "Test top-1", "Created"];
  return h("table", { class: "jobs" },
    h("thead", {}, h("tr", {}, head.map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, jobs.map(row)));
}

function row(job) {
  const labels = Object.entries(job.labels).map(([key, value]) => h("span", { class: "label" }, `${key}=${value}`));
  return h("tr", {},
    h("td", {}, chip(job)),
    h("td", { class: "main" }, h("a", { href: `#/jobs/${job.id}`, "data-key": job.id }, title(job)), h("small", { class: "mono" }, job.id), labels),
    h("td", { "data-head": "Networks" }, h("span", {}, network(job.spec.teacher, "no teacher"), " → ", job.student?.architecture || network(job.spec.student)),
      h("small", {}, methodName(job.spec.method))),
    h("td", { "data-head": "Progress" }, progress(job)),
    h("td", { "data-head": "Test top-1" }, score(job)),
    h("td", { "data-head": "Created" }, h("time", { datetime: job.created_at, title: clock(job.created_at) }, age(job.created_at))));
}

function progress(job) {
  if (job.state === "queued") {
    const { position, eligible_workers: workers } = job.queue || {};
    return h("small", { class: workers ? "" : "warn" }, `number ${position} in the queue${workers ? "" : `, but ${nobody(job)}`}`);
  }
  if (job.state === "failed") return h("small", { class: "bad" }, job.error?.code || "failed");
  if (job.done) return h("small", {}, seconds(job.runtime_seconds));
  const fraction = job.progress?.fraction ?? 0;
  return h("span", { class: "progress" }, meter(fraction, `progress of ${title(job)}`),
    h("small", {}, `${percent(fraction, 0)} · ${job.progress?.eta_seconds == null ? "…" : `${seconds(job.progress.eta_seconds)} left`}`));
}

function score(job) {
  const top1 = job.result?.metrics?.test?.top1;
  if (top1 === undefined || top1 === null) return dash;
  const teacher = job.result.teacher?.test?.top1;
  return h("span", {}, percent(top1), teacher ? h("small", {}, `teacher ${percent(teacher)}`) : "");
}
