// The files that came of a job.

import { copyButton, h, replace } from "./dom.js";
import { bytes } from "./format.js";
import { request } from "./wire.js";

export function artifacts(id, signal) {
  const body = h("div", {});
  async function refresh() {
    const { data } = await request(`/v1/jobs/${id}/artifacts`, { signal });
    replace(body, data.data.length ? h("div", { class: "scroll" }, table(data.data)) : h("p", { class: "quiet-text" }, "Files appear here when the job exports them."));
  }
  return { element: h("section", { class: "panel" }, h("h2", {}, "Artifacts"), body), refresh };
}

function table(files) {
  return h("table", { class: "artifacts" },
    h("thead", {}, h("tr", {}, ["File", "Size", "sha256", ""].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, files.map((file) => h("tr", {},
      h("td", {}, h("a", { href: file.href, download: file.name, "data-key": `get ${file.name}` }, file.name)),
      h("td", {}, bytes(file.size_bytes)),
      h("td", {}, h("code", { title: file.sha256 }, `${file.sha256.slice(0, 12)}…`), copyButton(file.sha256)),
      h("td", {}, copyButton(`curl -fLOC - ${location.origin}${file.href}`, "Copy curl"))))));
}
