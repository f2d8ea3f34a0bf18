// A new job: its JSON on the left, the plan or the refusal on the right, the methods below.

/** @import { JobText } from "../methods/needs.js" */
/** @import { Child } from "../view/dom.js" */

import { ApiError, describeError, request } from "../api/request.js";
import { DataPicker } from "../data/picker.js";
import { MethodPicker } from "../methods/picker.js";
import { copyButton, fieldValue, h, replace } from "../view/dom.js";
import { EXAMPLES } from "./examples.js";
import { planSummary, unfinishedPlan } from "./plan.js";

const PLAN_WAIT_SECONDS = 60;

/**
 * @param {HTMLElement} view
 * @param {URLSearchParams} parameters of the address: `from` is the id of a job to copy
 * @param {AbortSignal} signal ends the page
 */
export function showNewJob(view, parameters, signal) {
  document.title = "New job · Retort";
  const form = new NewJob(signal);
  const example = h("label", {}, "example ", form.exampleChooser());
  const heading = h("div", { class: "heading" }, h("h1", {}, "New job"), example);
  const left = h("section", { class: "panel" }, form.editor, form.syntaxError, form.buttons());
  view.replaceChildren(heading, form.data.element, h("div", { class: "two" }, left, form.answer), form.picker.element);
  const copied = parameters.get("from");
  if (copied) form.copy(copied);
}

class NewJob {
  /** @param {AbortSignal} signal */
  constructor(signal) {
    this.signal = signal;
    this.editor = h("textarea", {
      spellcheck: "false",
      autocomplete: "off",
      rows: 18,
      "aria-label": "The job as JSON",
      input: () => this.#onEdit(),
    });
    this.syntaxError = h("p", { class: "fault", role: "status" });
    this.answer = h("section", { class: "panel answer", "aria-live": "polite" }, introduction());
    this.idempotencyKey = "";
    this.picker = new MethodPicker(
      () => this.#parse(),
      (job) => this.#show(job),
    );
    this.data = new DataPicker((dataset) => this.#useDataset(dataset.uri), signal);
    this.#show(Object.values(EXAMPLES)[0]);
  }

  exampleChooser() {
    const names = Object.keys(EXAMPLES).map((name) => h("option", {}, name));
    const change = (/** @type {Event} */ event) => this.#show(EXAMPLES[fieldValue(event)]);
    return h("select", { "aria-label": "Start from an example", change }, names);
  }

  buttons() {
    return h(
      "div",
      { class: "actions" },
      h("button", { type: "button", class: "button", click: () => this.#submit() }, "Submit"),
      h("button", { type: "button", click: () => this.#plan() }, "Plan"),
      copyButton(() => curlCommand(this.editor.value), "Copy as curl"),
    );
  }

  /**
   * Starts from the specification of an earlier job.
   * @param {string} id
   */
  async copy(id) {
    await this.#answerWith(async () => {
      const { data } = await request(`/v1/jobs/${id}`, { signal: this.signal });
      this.#show(data.spec);
      return introduction();
    });
  }

  /** @param {JobText} job */
  #show(job) {
    this.editor.value = JSON.stringify(job, null, 2);
    this.#onEdit();
  }

  /**
   * Names the dataset in the job, whatever else the job says of it.
   * @param {string} uri
   */
  #useDataset(uri) {
    const job = this.#parse();
    if (!job) return;
    const said = job.dataset;
    this.#show({ ...job, dataset: said && typeof said === "object" ? { ...said, uri } : uri });
  }

  /** @returns {JobText | null} */
  #parse() {
    try {
      const job = JSON.parse(this.editor.value);
      return job && typeof job === "object" && !Array.isArray(job) ? job : null;
    } catch {
      return null;
    }
  }

  #onEdit() {
    this.idempotencyKey = crypto.randomUUID(); // another body is another job
    this.syntaxError.textContent = syntaxErrorOf(this.editor.value);
    this.picker.refresh();
  }

  #submit() {
    replace(this.answer, h("p", {}, "Submitting…"));
    return this.#answerWith(async () => {
      const { data } = await this.#post("/v1/jobs", { "Idempotency-Key": this.idempotencyKey });
      location.hash = `#/jobs/${data.id}`;
      return [];
    });
  }

  #plan() {
    replace(this.answer, h("p", {}, "An engine is reading the dataset and measuring the networks…"));
    return this.#answerWith(async () => {
      const { status, data } = await this.#post("/v1/jobs/plan", { Prefer: `wait=${PLAN_WAIT_SECONDS}` });
      return status === 200 ? planSummary(data) : unfinishedPlan(data);
    });
  }

  /**
   * @param {string} path
   * @param {Record<string, string>} headers
   */
  #post(path, headers) {
    return request(path, { method: "POST", body: this.editor.value, headers, signal: this.signal });
  }

  /**
   * Shows what the work returns, or why it was refused.
   * @param {() => Promise<Child[]>} work
   */
  async #answerWith(work) {
    try {
      replace(this.answer, ...(await work()));
    } catch (error) {
      if (!this.signal.aborted) replace(this.answer, ...refusal(error));
    }
  }
}

/** @param {string} text */
function syntaxErrorOf(text) {
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function introduction() {
  const links = [
    ["/v1/methods", "Methods and their knobs"],
    ["/v1/students", "Students"],
    ["/v1/teachers", "Teachers"],
    ["/v1/schema", "Every field, as JSON Schema"],
  ];
  return [
    h("h2", {}, "Plan before you run"),
    h("p", {}, "A job has a teacher, a dataset and a student. Each is a string, or an object with more fields."),
    h(
      "p",
      {},
      "Plan reads the dataset, measures the networks and estimates the time. It trains nothing and stores nothing.",
    ),
    h(
      "ul",
      {},
      links.map(([href, text]) => h("li", {}, h("a", { href }, text))),
    ),
  ];
}

/** @param {unknown} error */
function refusal(error) {
  const heading = h("h2", { class: "bad" }, (error instanceof ApiError && error.code) || "No answer");
  if (!(error instanceof ApiError) || !error.errors.length) return [heading, h("p", {}, describeError(error))];
  const items = error.errors.map(({ pointer, detail }) => h("li", {}, h("code", {}, pointer || "/"), " ", detail));
  return [heading, h("ul", { class: "errors" }, items)];
}

/** @param {string} text of the editor */
function curlCommand(text) {
  const body = syntaxErrorOf(text) ? text : JSON.stringify(JSON.parse(text));
  const quoted = `'${body.replaceAll("'", "'\\''")}'`;
  const headers = `-H "Authorization: Bearer $RETORT_API_KEY" -H 'Content-Type: application/json'`;
  return `curl -X POST ${location.origin}/v1/jobs ${headers} -d ${quoted}`;
}
