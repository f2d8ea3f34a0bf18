// The files that came of a job: what every job makes, what its method made besides, checkpoints of its training.

import { copyButton, h, replace } from "./dom.js";
import { bytes } from "./format.js";
import { request } from "./wire.js";

const CHECKPOINT = /^trajectory-\d+\.safetensors$/;
// Every job makes these; anything else is a product of its method.
const USUAL = new Set(["model.safetensors", "model.onnx", "labels.json", "preprocessing.json", "metrics.json", "spec.json", "model_card.md", "report.html", "curves.png", "confusion.png", "predictions.csv"]);

export function artifacts(id, signal) {
  const body = h("div", {});
  async function refresh() {
    const { data } = await request(`/v1/jobs/${id}/artifacts`, { signal });
    replace(body, data.data.length ? groups(data.data) : h("p", { class: "quiet-text" }, "Files appear here when the job exports them."));
  }
  return { element: h("section", { class: "panel" }, h("h2", {}, "Artifacts"), body), refresh };
}

function groups(files) {
  const usual = files.filter((file) => USUAL.has(file.name));
  const checkpoints = files.filter((file) => CHECKPOINT.test(file.name));
  const products = files.filter((file) => !USUAL.has(file.name) && !CHECKPOINT.test(file.name));
  return [usual.length && table(usual),
    products.length && [h("h3", {}, "What the method made besides"), table(products), products.filter((file) => file.media_type === "image/png").map(picture)],
    checkpoints.length && h("details", {}, h("summary", { "data-key": "trajectory" }, `${checkpoints.length} checkpoint${checkpoints.length > 1 ? "s" : ""} of its training (${bytes(checkpoints.reduce((sum, file) => sum + file.size_bytes, 0))})`),
      h("p", { class: "quiet-text" }, "A job with method rco and this job as its teacher follows them."), table(checkpoints))];
}

function picture(file) {
  return h("img", { class: "product", src: file.href, alt: file.name, loading: "lazy" });
}

function table(files) {
  return h("div", { class: "scroll" }, h("table", { class: "artifacts" },
    h("thead", {}, h("tr", {}, ["File", "Size", "sha256", ""].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, files.map((file) => h("tr", {},
      h("td", {}, h("a", { href: file.href, download: file.name, "data-key": `get ${file.name}` }, file.name)),
      h("td", {}, bytes(file.size_bytes)),
      h("td", {}, h("code", { title: file.sha256 }, `${file.sha256.slice(0, 12)}…`), copyButton(file.sha256)),
      h("td", {}, copyButton(`curl -fLOC - ${location.origin}${file.href}`, "Copy curl")))))));
}
