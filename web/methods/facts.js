// What the methods of a job are: summary, source, and how close our implementation is to that source.

/** @import { Method, MethodChoice } from "../api/types.js" */

import { h, replace } from "../view/dom.js";
import { catalogue } from "./catalogue.js";
import { termsOf } from "./terms.js";

/**
 * A list that is filled as soon as the catalogue has been read.
 * @param {MethodChoice} method
 */
export function methodFacts(method) {
  const list = h("dl", { class: "methods" });
  const fill = (/** @type {Record<string, Method>} */ known) =>
    replace(
      list,
      termsOf(method).flatMap(({ name }) => [h("dt", {}, name), h("dd", {}, description(known[name]))]),
    );
  catalogue().then(fill, () => {});
  return list;
}

/** @param {Method | undefined} method */
function description(method) {
  if (!method) return "not known to this server";
  return [method.summary, h("small", {}, h("b", {}, method.fidelity), ` · ${method.source}`)];
}
