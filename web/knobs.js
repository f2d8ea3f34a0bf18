// A form for the knobs of any method, made from their JSON Schema. An empty field means the default.

import { h } from "./dom.js";

export function knobForm(schema, values, prefix, change) {
  const knobs = Object.entries(schema.properties || {}).filter(([name]) => name !== "name");
  if (!knobs.length) return h("p", { class: "quiet-text" }, "It has no knobs.");
  return h("div", { class: "knobs" }, knobs.map(([name, knob]) => {
    const key = `knob ${prefix}${name}`;
    return h("label", {}, h("span", {}, name), field(knob, values[name], key, (value) => change(name, value)), h("small", {}, `${knob.description || ""}${bounds(knob)}`));
  }));
}

function field(knob, value, key, change) {
  const choices = choicesOf(knob);
  if (choices) {
    const told = (choice) => (typeof choice === "string" ? choice : JSON.stringify(choice));
    return h("select", { "data-key": key, change: (event) => change(event.target.value === "" ? undefined : choices[Number(event.target.value)]) },
      h("option", { value: "" }, `default: ${told(knob.default)}`),
      choices.map((choice, index) => h("option", { value: index, selected: JSON.stringify(choice) === JSON.stringify(value) }, told(choice))));
  }
  return h("input", { type: "text", spellcheck: "false", autocomplete: "off", "data-key": key, placeholder: written(knob.default), value: written(value),
    change: (event) => change(read(event.target.value.trim())) });
}

// The values of a knob that can only be one of few.
function choicesOf(knob) {
  if (knob.type === "boolean") return [true, false];
  return knob.enum || null;
}

function bounds(knob) {
  const numbers = (knob.anyOf || [knob]).find((one) => one.type === "number" || one.type === "integer");
  if (!numbers || knob.enum) return "";
  const low = numbers.minimum ?? numbers.exclusiveMinimum, high = numbers.maximum ?? numbers.exclusiveMaximum;
  if (low === undefined) return "";
  const from = numbers.exclusiveMinimum === undefined ? "from" : "above";
  const to = numbers.exclusiveMaximum === undefined ? "to" : "below";
  return ` (${from} ${low}${high === undefined ? "" : ` ${to} ${high}`})`;
}

// As `retort submit --set` reads it: JSON, or else a word.
function read(text) {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function written(value) {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
