// The charts of a job: losses, accuracy beside teacher and baselines, learning rate, throughput.

/** @import { Job, Series } from "../api/types.js" */
/** @import { Reference } from "../view/chart.js" */

import { request } from "../api/request.js";
import { chart } from "../view/chart.js";
import { h, replace } from "../view/dom.js";
import { count, number, percent } from "../view/format.js";

const MAX_POINTS = 400;
const BASELINE_ACCURACY = /^baseline\/(.+)\/val\/top1$/;

/** @type {import("../view/chart.js").Format} */
const percentage = (value) => percent(value);
/** @type {import("../view/chart.js").Format} */
const wholePercentage = (value) => percent(value, 0);

export class Curves {
  /**
   * @param {string} id of the job
   * @param {AbortSignal} signal
   */
  constructor(id, signal) {
    this.id = id;
    this.signal = signal;
    this.charts = h("div", { class: "charts" });
    this.element = h("section", { class: "panel" }, this.#heading(), this.charts);
    this.logScale = false;
    this.reading = false;
    /** @type {Series[]} */
    this.series = [];
    /** @type {Job | null} */
    this.job = null;
  }

  #heading() {
    const change = (/** @type {Event} */ event) => {
      this.logScale = /** @type {HTMLInputElement} */ (event.target).checked;
      this.#draw();
    };
    const toggle = h("label", { class: "toggle" }, h("input", { type: "checkbox", change }), " log scale for losses");
    const save = () => saveCsv(this.id, this.series);
    const download = h("button", { type: "button", class: "quiet small", click: save }, "CSV");
    return h("div", { class: "heading" }, h("h2", {}, "Curves"), toggle, download);
  }

  /**
   * Reads the metrics again, unless a reading is on its way.
   * @param {Job} job
   */
  async refresh(job) {
    this.job = job;
    if (this.reading) return;
    this.reading = true;
    try {
      const { data } = await request(`/v1/jobs/${this.id}/metrics?max_points=${MAX_POINTS}`, { signal: this.signal });
      this.series = data.data;
      this.#draw();
    } finally {
      this.reading = false;
    }
  }

  #draw() {
    if (!this.job) return;
    const drawn = charts(this.series, this.job, this.logScale);
    const nothing = this.job.done ? "No metrics were recorded." : "Curves appear with the first metrics.";
    replace(this.charts, drawn.length ? drawn : h("p", { class: "quiet-text" }, nothing));
  }
}

/**
 * @param {Series[]} series
 * @param {Job} job
 * @param {boolean} log
 */
function charts(series, job, log) {
  /** @param {string[]} names */
  const named = (...names) => names.flatMap((name) => series.filter((one) => one.name === name));
  const losses = series.filter(({ name }) => name.startsWith("train/loss") || name === "val/loss");
  const teaching = named("val/teacher_agreement", "val/ece");
  const teachingTitle = job.spec.teacher ? "Agreement with the teacher and calibration error" : "Calibration error";
  const shares = { format: percentage, tick: wholePercentage };
  const drawn = [
    accuracyChart(series, job),
    chart({ title: "Loss by term", series: losses, log, floor: 0 }),
    chart({ title: teachingTitle, series: teaching, floor: 0, ...shares }),
    chart({ title: "Learning rate", series: named("learning_rate"), floor: 0, format: (value) => number(value, 2) }),
    chart({ title: "Images per second", series: named("images_per_second"), floor: 0, format: count }),
  ];
  return drawn.filter((one) => one !== null);
}

/**
 * @param {Series[]} series
 * @param {Job} job
 */
function accuracyChart(series, job) {
  const own = series.filter(({ name }) => name === "val/top1" || name === "train/top1");
  const baselines = series.flatMap(({ name, points }) => {
    const match = BASELINE_ACCURACY.exec(name);
    return match ? [{ name: match[1], points, dashed: true }] : [];
  });
  const references = accuracyReferences(
    job,
    baselines.map((one) => one.name),
  );
  const shares = { format: percentage, tick: wholePercentage };
  return chart({ title: "Accuracy", series: [...own.reverse(), ...baselines], references, ...shares });
}

/**
 * Accuracies that are known as one number: the teacher's, and those of baselines without a curve.
 * @param {Job} job
 * @param {string[]} drawn names of the baselines that have a curve
 * @returns {Reference[]}
 */
function accuracyReferences({ plan, result }, drawn) {
  const teacher = result?.teacher?.validation?.top1 ?? plan?.teacher_validation_top1;
  const baselines = Object.entries(result?.baselines || {}).flatMap(([name, { validation }]) =>
    validation && !drawn.includes(name) ? [{ name, value: validation.top1 }] : [],
  );
  return [...(teacher == null ? [] : [{ name: "teacher", value: teacher }]), ...baselines];
}

/**
 * @param {string} id
 * @param {Series[]} series
 */
function saveCsv(id, series) {
  const lines = series.flatMap(({ name, points }) =>
    points.map(([step, value, at]) => `${name},${step},${value ?? ""},${at}`),
  );
  const text = ["name,step,value,at", ...lines, ""].join("\n");
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  h("a", { href: url, download: `${id}-metrics.csv` }).click();
  URL.revokeObjectURL(url);
}
