// The filters above the list of jobs. They are kept in the address, so that a filtered list can be bookmarked.

import { h } from "../view/dom.js";

const STATES = ["queued", "running", "pausing", "paused", "cancelling", "succeeded", "failed", "cancelled"];

/** @param {URLSearchParams} parameters of the address */
export function filterForm(parameters) {
  const chosen = parameters.getAll("state");
  const label = labelField(parameters.getAll("label").join(" "));
  /** @param {string[]} states */
  const apply = (states) => {
    const labels = label.value.split(/\s+/).filter(Boolean);
    const next = new URLSearchParams([...pairs("state", states), ...pairs("label", labels)]);
    location.hash = next.size ? `#/jobs?${next}` : "#/jobs";
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    apply(chosen);
  };
  return h("form", { class: "filters", submit }, stateButtons(chosen, apply), label);
}

/** @param {string} value */
function labelField(value) {
  const placeholder = "label, such as team=retail";
  return h("input", { type: "search", name: "label", "aria-label": "Filter by label", placeholder, value });
}

/**
 * @param {string[]} chosen
 * @param {(states: string[]) => void} apply
 */
function stateButtons(chosen, apply) {
  const all = stateButton("all", !chosen.length, () => apply([]));
  const single = STATES.map((state) => stateButton(state, chosen.includes(state), () => apply([state])));
  return h("div", { class: "segments", role: "group", "aria-label": "Filter by state" }, all, single);
}

/**
 * @param {string} name
 * @param {boolean} pressed
 * @param {() => void} click
 */
function stateButton(name, pressed, click) {
  return h("button", { type: "button", class: "filter", "aria-pressed": String(pressed), click }, name);
}

/**
 * @param {string} name
 * @param {string[]} values
 */
function pairs(name, values) {
  return values.map((value) => [name, value]);
}
