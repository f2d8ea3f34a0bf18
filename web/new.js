// A new job: the JSON on the left, what it would be on the right.

import { copyButton, h, replace } from "./dom.js";
import { bytes, count, percent, seconds } from "./format.js";
import { nobody } from "./jobs.js";
import { methodPicker } from "./methods.js";
import { complaint, request } from "./wire.js";

const SMALLEST = { teacher: "torchvision/resnet18", dataset: "builtin:digits", student: "nano" };
const EXAMPLES = {
  "three strings": SMALLEST,
  "train a teacher on digits": { name: "digits-teacher", dataset: "builtin:digits", student: { architecture: "cifar/resnet20" }, method: "scratch" },
  "chosen classes, baselines beside": { name: "three-digits", teacher: "job:<id of an earlier job>", dataset: { uri: "builtin:digits", classes: ["3", "5", "8"], max_per_class: 20 },
    student: "nano", method: "skd", evaluation: { baselines: ["scratch", "finetune"] } },
  "begin at random": { teacher: "torchvision/resnet34", dataset: "file:///data/photos.zip", student: { architecture: "torchvision/resnet18", weights: null } },
  "two methods added up": { ...SMALLEST, method: ["kd", "skd"] },
  "adapt to a second domain": { teacher: "torchvision/resnet50", dataset: { uri: "file:///data/photos.zip", target_uri: "file:///data/sketches.zip" }, student: "tiny", method: "kd_uda" },
};

export function showNew(view, parameters, signal) {
  document.title = "New job · Retort";
  const editor = h("textarea", { spellcheck: "false", autocomplete: "off", rows: 18, "aria-label": "The job as JSON", input: () => check() });
  const answer = h("section", { class: "panel answer", "aria-live": "polite" }, hint());
  let key = null;
  const fault = h("p", { class: "fault", role: "status" });
  const buttons = h("div", { class: "actions" },
    h("button", { type: "button", class: "button", click: submit }, "Submit"),
    h("button", { type: "button", click: plan }, "Plan"),
    copyButton(() => curl(editor.value), "Copy as curl"));
  const examples = h("select", { "aria-label": "Start from an example", change: (event) => put(EXAMPLES[event.target.value]) }, Object.keys(EXAMPLES).map((name) => h("option", {}, name)));
  const picker = methodPicker(parsed, (change) => { const job = parsed(); if (job) { change(job); put(job); } });
  view.replaceChildren(h("div", { class: "heading" }, h("h1", {}, "New job"), h("label", {}, "example ", examples)),
    h("div", { class: "two" }, h("section", { class: "panel" }, editor, fault, buttons), answer), picker.element);
  const show = (...content) => replace(answer, content);
  const put = (spec) => { editor.value = JSON.stringify(spec, null, 2); check(); };
  put(SMALLEST);
  if (parameters.get("from")) request(`/v1/jobs/${parameters.get("from")}`, { signal }).then(({ data }) => put(data.spec)).catch((error) => show(refusal(error)));

  function check() {
    key = crypto.randomUUID(); // another body is another job
    try {
      JSON.parse(editor.value);
      fault.textContent = "";
    } catch (error) {
      fault.textContent = error.message;
    }
    picker.refresh();
  }
  function parsed() {
    try {
      const job = JSON.parse(editor.value);
      return job && typeof job === "object" && !Array.isArray(job) ? job : null;
    } catch {
      return null;
    }
  }
  async function submit() {
    show(h("p", {}, "Submitting…"));
    try {
      const { data } = await request("/v1/jobs", { method: "POST", body: editor.value, headers: { "Idempotency-Key": key }, signal });
      location.hash = `#/jobs/${data.id}`;
    } catch (error) {
      show(refusal(error));
    }
  }
  async function plan() {
    show(h("p", {}, "An engine is reading the dataset and measuring the networks…"));
    try {
      const { status, data } = await request("/v1/jobs/plan", { method: "POST", body: editor.value, headers: { Prefer: "wait=60" }, signal });
      show(status === 200 ? planned(data) : unplanned(data));
    } catch (error) {
      show(refusal(error));
    }
  }
}

function hint() {
  return [h("h2", {}, "Plan before you run"),
    h("p", {}, "A job needs three things: a teacher, a dataset and a student. Each may be a word or an object that says more."),
    h("p", {}, "Plan reads the dataset, chooses and measures the networks, and estimates the time. Nothing is trained and nothing is kept."),
    h("ul", {}, [["/v1/methods", "Methods and their knobs"], ["/v1/students", "Students"], ["/v1/teachers", "Teachers"], ["/v1/schema", "Every field, as JSON Schema"]]
      .map(([href, text]) => h("li", {}, h("a", { href }, text))))];
}

function refusal(error) {
  return [h("h2", { class: "bad" }, error.code || "No answer"),
    error.errors?.length ? h("ul", { class: "errors" }, error.errors.map(({ pointer, detail }) => h("li", {}, h("code", {}, pointer || "/"), " ", detail))) : h("p", {}, complaint(error))];
}

function unplanned(job) {
  const workers = job.queue?.eligible_workers;
  return [h("h2", {}, "Not known yet"), h("p", {}, workers === 0 ? `Nobody can plan it: ${nobody(job)}.` : "Planning takes longer than a minute."),
    h("p", {}, h("a", { href: `#/jobs/${job.id}` }, "Watch the plan"))];
}

const BEGINNINGS = { teacher: "weights of its teacher", published: "published weights" };

function planned({ spec, dataset, student, teacher, teacher_validation_top1: top1, estimate }) {
  const rows = [
    ["Student", student.architecture], ["", `${count(student.num_params)} params · ${count(student.macs)} MACs · ${bytes(student.bytes)}`],
    ["", `begins with ${BEGINNINGS[spec.student.weights] ?? spec.student.weights ?? "random weights"}`],
    teacher && ["Teacher", teacher.architecture], teacher && ["", `${count(teacher.num_params)} params · ${count(teacher.macs)} MACs${top1 == null ? "" : ` · ${percent(top1)} top-1 on validation`}`],
    ["Images", `${dataset.num_train} to train, ${dataset.num_validation} to validate, ${dataset.num_test} to test`],
    ["Classes", `${dataset.classes.length}: ${dataset.classes.slice(0, 12).join(", ")}${dataset.classes.length > 12 ? ", …" : ""}`],
    dataset.num_unreadable ? ["Left out", `${dataset.num_unreadable} unreadable images`] : null,
    ["Training", `${count(estimate.steps)} steps${estimate.training_seconds ? `, about ${seconds(estimate.training_seconds)}` : ""}`],
    estimate.memory_bytes ? ["Memory", bytes(estimate.memory_bytes)] : null,
  ].filter(Boolean);
  return [h("h2", {}, "The plan"), h("dl", { class: "plan" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    estimate.reason && h("p", { class: "quiet-text" }, estimate.reason)];
}

function curl(text) {
  let body = text;
  try { body = JSON.stringify(JSON.parse(text)); } catch { /* as it is: the reader sees what is wrong */ }
  return `curl -X POST ${location.origin}/v1/jobs -H 'Content-Type: application/json' -d '${body.replaceAll("'", "'\\''")}'`;
}
