// The log of a job: lines are added as they arrive.

/** @import { JobEvent } from "../api/types.js" */

import { h } from "../view/dom.js";

const MAX_LINES = 2000;
const NEAR_END_PIXELS = 40;

export class Log {
  constructor() {
    this.lines = h("ol", { class: "log", tabindex: 0, "aria-label": "Log lines" });
    this.nothing = h("p", { class: "quiet-text" }, "No lines yet.");
    this.element = h("section", { class: "panel" }, h("h2", {}, "Log"), this.nothing, this.lines);
  }

  /**
   * Adds a line, drops the oldest beyond the limit, and scrolls on where the reader was at the end.
   * @param {JobEvent} event of kind log
   */
  add({ attempt, data, at }) {
    const { lines } = this;
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < NEAR_END_PIXELS;
    this.nothing.hidden = true;
    const time = h("time", { datetime: at, title: `attempt ${attempt}` }, new Date(at).toLocaleTimeString());
    lines.append(h("li", { "data-level": data.level }, time, " ", data.message));
    while (lines.childElementCount > MAX_LINES) lines.firstElementChild?.remove();
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  }
}
