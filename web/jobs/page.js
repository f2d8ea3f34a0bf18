// The list of jobs: filtered by state and label, and always up to date.

/** @import { JobPage } from "../api/types.js" */

import { poll } from "../api/poll.js";
import { describeError, request } from "../api/request.js";
import { h, replace } from "../view/dom.js";
import { filterForm } from "./filters.js";
import { jobTable } from "./table.js";

const PAGE_SIZE = 50;
const INTERVAL_MILLISECONDS = 2000;
const HIDDEN_INTERVAL_MILLISECONDS = 15000;

/**
 * @param {HTMLElement} view
 * @param {URLSearchParams} parameters of the address: state, label
 * @param {AbortSignal} signal ends the page
 */
export function showJobs(view, parameters, signal) {
  document.title = "Jobs · Retort";
  const list = new JobList(parameters, signal);
  const newJob = h("a", { class: "button", href: "#/new" }, "New job");
  const heading = h("div", { class: "heading" }, h("h1", {}, "Jobs"), newJob);
  view.replaceChildren(heading, filterForm(parameters), list.notice, list.body, list.more);
  list.follow();
}

class JobList {
  /**
   * @param {URLSearchParams} parameters
   * @param {AbortSignal} signal
   */
  constructor(parameters, signal) {
    this.filtered = parameters.size > 0;
    this.address = `/v1/jobs?${listQuery(parameters)}`;
    this.signal = signal;
    this.notice = h("p", { class: "notice", role: "alert", hidden: true });
    this.body = h("div", { "aria-live": "off" });
    this.more = h("div", { class: "more" });
    /** @type {JobPage | null} */
    this.newest = null;
    /** @type {JobPage[]} */
    this.older = [];
  }

  follow() {
    return poll(this.address, {
      signal: this.signal,
      pause: () => (document.hidden ? HIDDEN_INTERVAL_MILLISECONDS : INTERVAL_MILLISECONDS),
      onChange: (page) => (this.newest = page),
      onStatus: (error) => this.#update(error),
    });
  }

  /**
   * Draws again after every request, because the ages of the jobs grow even where nothing else changes.
   * @param {unknown} error
   */
  #update(error) {
    this.notice.hidden = !error;
    this.notice.textContent = error ? describeError(error) : "";
    if (this.newest) this.#draw(this.newest);
  }

  /** @param {JobPage} newest */
  #draw(newest) {
    const pages = [newest, ...this.older];
    const jobs = pages.flatMap((page) => page.data);
    replace(this.body, jobs.length ? jobTable(jobs) : emptyList(this.filtered));
    const cursor = pages[pages.length - 1].next_cursor;
    const load = () => this.#loadOlder(String(cursor));
    replace(this.more, cursor && h("button", { type: "button", "data-key": "more", click: load }, "Older jobs"));
  }

  /** @param {string} cursor */
  async #loadOlder(cursor) {
    const { data } = await request(`${this.address}&after=${cursor}`, { signal: this.signal });
    this.older.push(data);
    if (this.newest) this.#draw(this.newest);
  }
}

/** @param {URLSearchParams} parameters */
function listQuery(parameters) {
  const query = new URLSearchParams([["limit", String(PAGE_SIZE)]]);
  for (const name of ["state", "label"]) {
    for (const value of parameters.getAll(name)) query.append(name, value);
  }
  return query;
}

/** @param {boolean} filtered */
function emptyList(filtered) {
  if (filtered) {
    return h("div", { class: "empty" }, h("h2", {}, "No job matches"), h("a", { href: "#/jobs" }, "Show all jobs"));
  }
  return h(
    "div",
    { class: "empty" },
    h("img", { src: "/web/icon.svg", alt: "", width: 72, height: 72 }),
    h("h2", {}, "No jobs yet"),
    h("p", {}, "A job takes a big teacher network and your images, and returns a small network for your classes."),
    h("a", { class: "button", href: "#/new" }, "Submit the first job"),
  );
}
