// The page of one job: state, progress, figures, curves, log and files, updated while the job runs.

/** @import { Job, JobEvent } from "../api/types.js" */
/** @import { ActionName } from "./actions.js" */

import { JobEvents } from "../api/job-events.js";
import { poll } from "../api/poll.js";
import { describeError } from "../api/request.js";
import { jobTitle } from "../jobs/describe.js";
import { h, replace } from "../view/dom.js";
import { warningPanel } from "../view/warnings.js";
import { perform } from "./actions.js";
import { Artifacts } from "./artifacts.js";
import { cards } from "./cards.js";
import { comparison } from "./comparison.js";
import { Curves } from "./curves.js";
import { header } from "./header.js";
import { Log } from "./log.js";
import { progressPanel } from "./progress.js";
import { specification, specificationKey } from "./specification.js";
import { timeline } from "./timeline.js";

const LONG_POLL_SECONDS = 20;
const BURST_MILLISECONDS = 100;

/**
 * @param {HTMLElement} view
 * @param {string} id of the job
 * @param {AbortSignal} signal ends the page
 */
export function showJob(view, id, signal) {
  const page = new JobPage(id, signal);
  view.replaceChildren(...page.elements());
  page.follow();
}

class JobPage {
  /**
   * @param {string} id
   * @param {AbortSignal} signal
   */
  constructor(id, signal) {
    this.id = id;
    this.signal = signal;
    this.header = h("div", { class: "part-header" });
    this.notice = h("div", {});
    this.now = h("div", { class: "part-now" });
    this.warnings = h("div", {});
    this.figures = h("div", {});
    this.specification = h("div", {});
    this.curves = new Curves(id, signal);
    this.log = new Log();
    this.artifacts = new Artifacts(id, signal);
    this.events = new JobEvents(id, (event) => this.#onEvent(event));
    /** @type {Job | null} */
    this.job = null;
    this.shownSpecification = "";
    /** @type {Set<string>} */
    this.scheduled = new Set();
  }

  elements() {
    const top = [this.header, this.notice, this.now, this.warnings, this.figures];
    return [...top, this.curves.element, this.artifacts.element, this.log.element, this.specification];
  }

  /** Draws the job and each of its changes until the signal is aborted. */
  follow() {
    const clock = setInterval(() => this.job && !this.job.done && this.#drawNow(this.job), 1000);
    this.signal.addEventListener("abort", () => {
      clearInterval(clock);
      this.events.close();
    });
    return poll(`/v1/jobs/${this.id}`, {
      signal: this.signal,
      longPollSeconds: LONG_POLL_SECONDS,
      pause: () => this.#pauseMilliseconds(),
      onChange: (job) => this.#onChange(job),
      onStatus: (error) => this.#showError(error),
    });
  }

  #pauseMilliseconds() {
    if (document.hidden) return 10000;
    return this.job?.done ? 5000 : 800;
  }

  /** @param {Job} job */
  #onChange(job) {
    const first = this.job === null;
    this.job = job;
    this.#draw(job);
    this.#schedule("curves", () => this.curves.refresh(job));
    if (!first) return;
    this.events.open();
    this.#schedule("artifacts", () => this.artifacts.refresh());
  }

  /** @param {JobEvent} event */
  #onEvent(event) {
    if (event.kind === "log") this.log.add(event);
    if (event.kind === "artifact") this.#schedule("artifacts", () => this.artifacts.refresh());
    if (event.kind === "state" || event.kind === "phase")
      this.#schedule("now", () => this.job && this.#drawNow(this.job));
  }

  /**
   * Does the work a moment later and once, however many events of a burst ask for it. The next poll repairs a failure.
   * @param {string} name
   * @param {() => unknown} work
   */
  #schedule(name, work) {
    if (this.scheduled.has(name)) return;
    this.scheduled.add(name);
    setTimeout(async () => {
      this.scheduled.delete(name);
      if (!this.signal.aborted) await Promise.resolve(work()).catch(() => {});
    }, BURST_MILLISECONDS);
  }

  /** @param {Job} job */
  #draw(job) {
    document.title = `${jobTitle(job)} · Retort`;
    replace(
      this.header,
      header(
        job,
        (name) => this.#act(name),
        (work) => this.#change(work),
      ),
    );
    this.#drawNow(job);
    replace(this.warnings, warningPanel(job.warnings));
    replace(this.figures, cards(job), comparison(job));
    // Drawn only where it changed: an opened part of it would close at each drawing.
    const key = specificationKey(job);
    if (key !== this.shownSpecification) replace(this.specification, specification(job));
    this.shownSpecification = key;
  }

  /** @param {Job} job */
  #drawNow(job) {
    replace(this.now, timeline(job, this.events.seen), progressPanel(job));
  }

  /** @param {unknown} error null where there is none */
  #showError(error) {
    replace(this.notice, error ? h("p", { class: "notice", role: "alert" }, describeError(error)) : null);
  }

  /** @param {ActionName} name */
  async #act(name) {
    try {
      const job = await perform(name, this.id);
      if (name === "delete" && job === null) return;
      if (name === "delete") location.hash = "#/jobs";
      else if (job) this.#onAction(job);
    } catch (error) {
      this.#showError(error);
    }
  }

  /** @param {Promise<{ data: Job }>} work */
  async #change(work) {
    try {
      this.#onAction((await work).data);
    } catch (error) {
      this.#showError(error);
    }
  }

  /** @param {Job} job */
  #onAction(job) {
    this.job = job;
    this.#draw(job);
    this.events.open();
  }
}
