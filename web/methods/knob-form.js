// A form for the knobs of any method, made from their JSON Schema. An empty field means the default.

import { fieldValue, h } from "../view/dom.js";

/**
 * The part of a JSON Schema that the form reads.
 * @typedef {object} Schema
 * @property {string} [type]
 * @property {unknown[]} [enum]
 * @property {unknown} [default]
 * @property {string} [description]
 * @property {number} [minimum]
 * @property {number} [maximum]
 * @property {number} [exclusiveMinimum]
 * @property {number} [exclusiveMaximum]
 * @property {Schema[]} [anyOf]
 * @property {Record<string, Schema>} [properties]
 */

/** @typedef {(value: unknown) => void} SetValue receives undefined for the default */

/**
 * @param {Schema} schema of the method's object in a job
 * @param {Record<string, unknown>} values that the job sets
 * @param {string} prefix of the fields' keys, which keep the focus when the form is drawn again
 * @param {(knob: string, value: unknown) => void} onChange
 */
export function knobForm(schema, values, prefix, onChange) {
  const knobs = Object.entries(schema.properties || {}).filter(([name]) => name !== "name");
  if (!knobs.length) return h("p", { class: "quiet-text" }, "This method has no knobs.");
  const labels = knobs.map(([name, knob]) => {
    const field = knobField(knob, values[name], `knob ${prefix}${name}`, (value) => onChange(name, value));
    const help = h("small", {}, `${knob.description || ""}${limits(knob)}`);
    return h("label", {}, h("span", {}, name), field, help);
  });
  return h("div", { class: "knobs" }, labels);
}

/**
 * @param {Schema} knob
 * @param {unknown} value
 * @param {string} key
 * @param {SetValue} set
 */
function knobField(knob, value, key, set) {
  const choices = knob.type === "boolean" ? [true, false] : knob.enum;
  return choices ? choiceField(knob, choices, value, key, set) : textField(knob, value, key, set);
}

/**
 * @param {Schema} knob
 * @param {unknown[]} choices
 * @param {unknown} value
 * @param {string} key
 * @param {SetValue} set
 */
function choiceField(knob, choices, value, key, set) {
  const change = (/** @type {Event} */ event) => {
    const index = fieldValue(event);
    set(index === "" ? undefined : choices[Number(index)]);
  };
  const options = choices.map((choice, index) => {
    const selected = JSON.stringify(choice) === JSON.stringify(value);
    return h("option", { value: index, selected }, asText(choice));
  });
  return h(
    "select",
    { "data-key": key, change },
    h("option", { value: "" }, `default: ${asText(knob.default)}`),
    options,
  );
}

/**
 * @param {Schema} knob
 * @param {unknown} value
 * @param {string} key
 * @param {SetValue} set
 */
function textField(knob, value, key, set) {
  const change = (/** @type {Event} */ event) => set(parse(fieldValue(event).trim()));
  const attributes = { type: "text", spellcheck: "false", autocomplete: "off", placeholder: asText(knob.default) };
  return h("input", { ...attributes, "data-key": key, value: asText(value), change });
}

/**
 * The allowed numbers in words, such as " (from 0 to 1)".
 * @param {Schema} knob
 */
function limits(knob) {
  const schema = (knob.anyOf || [knob]).find((one) => one.type === "number" || one.type === "integer");
  if (!schema || knob.enum) return "";
  const low = schema.minimum ?? schema.exclusiveMinimum;
  const high = schema.maximum ?? schema.exclusiveMaximum;
  if (low === undefined) return "";
  const from = schema.exclusiveMinimum === undefined ? "from" : "above";
  const to = schema.exclusiveMaximum === undefined ? "to" : "below";
  return ` (${from} ${low}${high === undefined ? "" : ` ${to} ${high}`})`;
}

/**
 * Reads a text as `retort submit --set` does: as JSON where it is JSON, else as a word.
 * @param {string} text
 */
function parse(text) {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** @param {unknown} value */
function asText(value) {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
