// The log, line by line as it comes.

import { h } from "./dom.js";

const KEPT = 2000;

export function logs() {
  const lines = h("ol", { class: "log", tabindex: 0, "aria-label": "Log lines" });
  const nothing = h("p", { class: "quiet-text" }, "No lines yet.");
  const element = h("section", { class: "panel" }, h("h2", {}, "Log"), nothing, lines);
  function add({ attempt, data, at }) {
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
    nothing.hidden = true;
    lines.append(h("li", { "data-level": data.level }, h("time", { datetime: at, title: `attempt ${attempt}` }, new Date(at).toLocaleTimeString()), " ", data.message));
    while (lines.childElementCount > KEPT) lines.firstElementChild.remove();
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  }
  return { element, add };
}
