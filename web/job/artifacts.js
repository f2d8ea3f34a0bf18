// The files of a job: those that every job makes, further ones of its method, and checkpoints of its training.

/** @import { Artifact } from "../api/types.js" */

import { request } from "../api/request.js";
import { copyButton, h, replace, tableHead } from "../view/dom.js";
import { bytes, plural } from "../view/format.js";

const CHECKPOINT = /^trajectory-\d+\.safetensors$/;
const OF_EVERY_JOB = new Set([
  "model.safetensors",
  "model.onnx",
  "labels.json",
  "preprocessing.json",
  "metrics.json",
  "spec.json",
  "model_card.md",
  "report.html",
  "curves.png",
  "confusion.png",
  "predictions.csv",
]);

export class Artifacts {
  /**
   * @param {string} id of the job
   * @param {AbortSignal} signal
   */
  constructor(id, signal) {
    this.id = id;
    this.signal = signal;
    this.body = h("div", {});
    this.element = h("section", { class: "panel" }, h("h2", {}, "Artifacts"), this.body);
  }

  /** Reads the list of files again. */
  async refresh() {
    const { data } = await request(`/v1/jobs/${this.id}/artifacts`, { signal: this.signal });
    const nothing = h("p", { class: "quiet-text" }, "Files appear here when the job exports them.");
    replace(this.body, data.data.length ? groups(data.data) : nothing);
  }
}

/** @param {Artifact[]} files */
function groups(files) {
  const usual = files.filter(({ name }) => OF_EVERY_JOB.has(name));
  const checkpoints = files.filter(({ name }) => CHECKPOINT.test(name));
  const others = files.filter(({ name }) => !OF_EVERY_JOB.has(name) && !CHECKPOINT.test(name));
  return [
    usual.length > 0 && fileTable(usual),
    ...(others.length ? methodFiles(others) : []),
    checkpoints.length > 0 && checkpointList(checkpoints),
  ];
}

/** @param {Artifact[]} files */
function methodFiles(files) {
  const pictures = files.filter((file) => file.media_type === "image/png");
  return [
    h("h3", {}, "Further files of the method"),
    fileTable(files),
    ...pictures.map(({ href, name }) => h("img", { class: "product", src: href, alt: name, loading: "lazy" })),
  ];
}

/** @param {Artifact[]} files */
function checkpointList(files) {
  const size = bytes(files.reduce((sum, file) => sum + file.size_bytes, 0));
  const summary = `${plural(files.length, "checkpoint")} of the training (${size})`;
  return h(
    "details",
    {},
    h("summary", { "data-key": "trajectory" }, summary),
    h("p", { class: "quiet-text" }, "A job with method rco and this job as its teacher learns from them."),
    fileTable(files),
  );
}

/** @param {Artifact[]} files */
function fileTable(files) {
  const table = h(
    "table",
    { class: "artifacts" },
    tableHead(["File", "Size", "sha256", ""]),
    h("tbody", {}, files.map(row)),
  );
  return h("div", { class: "scroll" }, table);
}

/** @param {Artifact} file */
function row({ name, href, size_bytes: size, sha256 }) {
  return h(
    "tr",
    {},
    h("td", {}, h("a", { href, download: name, "data-key": `get ${name}` }, name)),
    h("td", {}, bytes(size)),
    h("td", {}, h("code", { title: sha256 }, `${sha256.slice(0, 12)}…`), copyButton(sha256)),
    h(
      "td",
      {},
      copyButton(`curl -fLOC - -H "Authorization: Bearer $RETORT_API_KEY" ${location.origin}${href}`, "Copy curl"),
    ),
  );
}
