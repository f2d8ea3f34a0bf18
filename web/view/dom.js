// Building elements. Text only ever goes in as text nodes, so that no name or log line can become markup.

/** @typedef {Node | string | number | false | null | undefined} Leaf */
/** @typedef {Leaf | Leaf[] | Leaf[][]} Child */
/** @typedef {string | number | boolean | null | undefined | EventListener} Attribute */

/**
 * An HTML element. A function among the attributes listens to the event of that name; null and false are left out.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, Attribute>} [attributes]
 * @param {Child[]} children
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  fill(element, attributes, children);
  return element;
}

/**
 * An SVG element.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, Attribute>} [attributes]
 * @param {Child[]} children
 */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  fill(element, attributes, children);
  return element;
}

/**
 * @param {Element} element
 * @param {Record<string, Attribute>} attributes
 * @param {Child[]} children
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...nodes(children));
}

/**
 * @param {Child[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  return children.flat(2).flatMap((child) => {
    if (child === null || child === undefined || child === false) return [];
    return [child instanceof Node ? child : String(child)];
  });
}

/**
 * Replaces what is in `parent` and keeps the keyboard focus on the element with the same data-key.
 * @param {Element} parent
 * @param {Child[]} children
 */
export function replace(parent, ...children) {
  const focused = document.activeElement;
  const key = focused instanceof HTMLElement && parent.contains(focused) ? focused.dataset.key : null;
  parent.replaceChildren(...nodes(children));
  if (!key) return;
  const successor = parent.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (successor instanceof HTMLElement) successor.focus({ preventScroll: true });
}

/**
 * The value of the field that an event comes from.
 * @param {Event} event
 */
export function fieldValue(event) {
  return /** @type {HTMLInputElement | HTMLSelectElement} */ (event.target).value;
}

/**
 * A row of column headings.
 * @param {string[]} names
 */
export function tableHead(names) {
  const cells = names.map((name) => h("th", { scope: "col" }, name));
  return h("thead", {}, h("tr", {}, cells));
}

/**
 * A list of facts, each a value above its name.
 * @param {[value: string, name: string][]} facts
 */
export function factList(facts) {
  const items = facts.map(([value, name]) => h("div", {}, h("dd", {}, value), h("dt", {}, name)));
  return h("dl", { class: "facts" }, items);
}

/**
 * A button that copies a text; a function is asked for the text when it is pressed.
 * @param {string | (() => string)} text
 * @param {string} [label]
 */
export function copyButton(text, label = "Copy") {
  const copy = async () => {
    await navigator.clipboard.writeText(typeof text === "function" ? text() : text);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), 1500);
  };
  const button = h("button", { type: "button", class: "quiet small", click: copy }, label);
  return button;
}

/**
 * A progress bar.
 * @param {number} fraction 0 to 1
 * @param {string} label for screen readers
 */
export function meter(fraction, label) {
  const percentage = Math.round(100 * Math.min(1, Math.max(0, fraction)));
  const bar = h("span");
  bar.style.width = `${percentage}%`;
  const range = { "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": percentage };
  return h("span", { class: "meter", role: "progressbar", "aria-label": label, ...range }, bar);
}
