// The warnings of a plan or job: what was found, and what can be done about it.

/** @import { JobWarning } from "../api/types.js" */

import { h } from "./dom.js";
import { plural } from "./format.js";

/**
 * A panel with all warnings, or null where there is none.
 * @param {JobWarning[]} warnings
 */
export function warningPanel(warnings) {
  if (!warnings.length) return null;
  return h(
    "section",
    { class: "warnings", "aria-label": "Warnings" },
    h("h2", {}, plural(warnings.length, "warning")),
    h("ul", {}, warnings.map(warningItem)),
  );
}

/** @param {JobWarning} warning */
function warningItem({ code, message, hint, count }) {
  return h(
    "li",
    {},
    h("p", {}, message),
    hint && h("p", { class: "hint" }, hint),
    h("small", {}, h("code", {}, code), typeof count === "number" && ` · count ${count}`),
  );
}
