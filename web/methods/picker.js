// Chooses the methods of a job and their knobs, and writes them into the text of the job.

/** @import { Method, MethodTerm } from "../api/types.js" */
/** @import { Catalogue } from "./catalogue.js" */
/** @import { JobText } from "./needs.js" */

import { fieldValue, h, replace } from "../view/dom.js";
import { catalogue } from "./catalogue.js";
import { knobForm } from "./knob-form.js";
import { needList } from "./needs.js";
import { methodOf, termsOf } from "./terms.js";

export class MethodPicker {
  /**
   * @param {() => JobText | null} read the job of the editor; null while its text is not JSON
   * @param {(job: JobText) => void} write puts a changed job into the editor
   */
  constructor(read, write) {
    this.read = read;
    this.write = write;
    this.body = h("div", {});
    this.element = h("section", { class: "panel picker" }, h("h2", {}, "Method"), this.body);
    /** @type {Catalogue | null} */
    this.known = null;
    this.shown = "";
    catalogue().then(
      (known) => this.#start(known),
      () => replace(this.body, h("p", { class: "quiet-text" }, "The server did not list its methods.")),
    );
  }

  /** @param {Catalogue} known */
  #start(known) {
    this.known = known;
    this.refresh();
  }

  /** Draws again where the job has changed in a way that matters here. */
  refresh() {
    const job = this.read();
    if (!this.known || !job) return;
    const relevant = JSON.stringify([job.method, job.teacher, job.dataset, job.student, job.more_teachers]);
    if (relevant === this.shown) return;
    this.shown = relevant;
    const terms = termsOf(job.method);
    const parts = terms.map((term, index) => this.#termPart(job, terms, index, this.known?.[term.name]));
    replace(this.body, terms.length === 0 && defaultNote(job), parts, this.#choosers(terms, this.known));
  }

  /** @param {MethodTerm[]} terms */
  #setTerms(terms) {
    const job = this.read();
    if (!job) return;
    job.method = methodOf(terms); // JSON leaves an undefined field out
    this.write(job);
    this.refresh();
  }

  /**
   * @param {JobText} job
   * @param {MethodTerm[]} terms
   * @param {number} index
   * @param {Method | undefined} method
   */
  #termPart(job, terms, index, method) {
    const term = terms[index];
    const remove = () => this.#setTerms(terms.filter((_, other) => other !== index));
    const heading = termHeading(term.name, method, remove);
    if (!method)
      return h("div", { class: "term" }, heading, h("p", { class: "bad" }, "The server knows no such method."));
    const setKnob = (/** @type {string} */ knob, /** @type {unknown} */ value) => {
      const { [knob]: _, ...others } = term;
      const changed = value === undefined ? others : { ...others, [knob]: value };
      this.#setTerms(terms.map((one, other) => (other === index ? { ...changed, name: term.name } : one)));
    };
    const facts = [h("p", {}, method.summary), h("p", { class: "quiet-text" }, method.source), needList(method, job)];
    return h("div", { class: "term" }, heading, facts, knobForm(method.knobs, term, `${index}.`, setKnob));
  }

  /**
   * The lists from which a method is chosen or added.
   * @param {MethodTerm[]} terms
   * @param {Catalogue} known
   */
  #choosers(terms, known) {
    const methods = Object.values(known).filter(({ name }) => name !== "combined");
    const single = methods.map(({ name }) => h("option", { value: name }, name));
    const replaceAll = chooser(terms.length ? "replace with " : "method ", single, (name) =>
      this.#setTerms([{ name }]),
    );
    const canGrow = terms.length > 0 && terms.every(({ name }) => known[name]?.can_be_combined ?? true);
    if (!canGrow) return h("div", { class: "actions" }, replaceAll);
    const add = (/** @type {string} */ name) => this.#setTerms([...terms, { name }]);
    return h("div", { class: "actions" }, replaceAll, chooser("add ", methods.map(combinableOption), add));
  }
}

/** @param {JobText} job */
function defaultNote(job) {
  const text = job.teacher
    ? "None named: the default is pkd."
    : "None named: the default without a teacher is scratch.";
  return h("p", { class: "quiet-text" }, text);
}

/**
 * @param {string} name
 * @param {Method | undefined} method
 * @param {() => void} remove
 */
function termHeading(name, method, remove) {
  const label = method && h("span", { class: "label" }, method.fidelity);
  const attributes = { type: "button", class: "quiet small", "aria-label": `Remove ${name}`, click: remove };
  return h("div", { class: "heading" }, h("h3", {}, name), label, h("button", attributes, "Remove"));
}

/**
 * @param {string} label
 * @param {HTMLOptionElement[]} options
 * @param {(name: string) => void} onChoice
 */
function chooser(label, options, onChoice) {
  const change = (/** @type {Event} */ event) => {
    const name = fieldValue(event);
    if (name) onChoice(name);
  };
  const select = h("select", { "data-key": `pick ${label}`, change }, h("option", { value: "" }, "…"), options);
  return h("label", {}, label, select);
}

/** @param {Method} method */
function combinableOption({ name, can_be_combined: allowed }) {
  return h("option", { value: name, disabled: !allowed }, allowed ? name : `${name} (only alone)`);
}
