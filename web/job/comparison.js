// All networks of a job on the same test images: one row a network, its accuracy with the 95% interval on one scale.

/** @import { Job, MeasuredNetwork } from "../api/types.js" */

import { h, s, tableHead } from "../view/dom.js";
import { bytes, count, dash, milliseconds, percent } from "../view/format.js";
import { intervalText } from "./cards.js";

/** @typedef {MeasuredNetwork & { test: NonNullable<MeasuredNetwork["test"]> }} TestedNetwork */
/** @typedef {[name: string, network: TestedNetwork]} Row */

const BAR_WIDTH = 200;
const BAR_MARGIN = 4;

/** @param {Job} job */
export function comparison(job) {
  const rows = testedNetworks(job);
  if (rows.length < 2) return null;
  const lowest = Math.min(...rows.map(([, { test }]) => test.top1_interval?.[0] ?? test.top1));
  const scaleStart = Math.max(0, Math.floor(lowest * 10 - 0.5) / 10);
  const hasTarget = rows.some(([, network]) => network.target);
  const body = rows.map((row) => tableRow(row, scaleStart, hasTarget));
  const table = h("table", { class: "comparison" }, tableHead(columns(scaleStart, hasTarget)), h("tbody", {}, body));
  const images = rows[0][1].test.num_images;
  return h(
    "section",
    { class: "panel" },
    h("h2", {}, "Comparison"),
    h("p", { class: "quiet-text" }, `Top-1 accuracy of every network on the same ${images ?? ""} test images.`),
    h("div", { class: "scroll" }, table),
  );
}

/**
 * The student first, then the teacher and the baselines; only networks that were tested.
 * @param {Job} job
 * @returns {Row[]}
 */
function testedNetworks({ result }) {
  if (!result?.metrics?.test) return [];
  /** @type {[string, MeasuredNetwork | null | undefined][]} */
  const all = [["student", result.metrics], ["teacher", result.teacher], ...Object.entries(result.baselines || {})];
  return /** @type {Row[]} */ (all.filter(([, network]) => network?.test));
}

/**
 * @param {number} scaleStart
 * @param {boolean} hasTarget
 */
function columns(scaleStart, hasTarget) {
  const bar = `${percent(scaleStart, 0)} to 100%`;
  return ["Network", "Test top-1", bar, ...(hasTarget ? ["Target domain"] : []), "Params", "MACs", "Size", "Latency"];
}

/**
 * @param {Row} row
 * @param {number} scaleStart
 * @param {boolean} hasTarget
 */
function tableRow([name, network], scaleStart, hasTarget) {
  return h(
    "tr",
    { class: name === "student" ? "own" : "" },
    h("th", { scope: "row" }, name, h("small", {}, network.architecture)),
    accuracyCell(network.test),
    h("td", { class: "bar" }, intervalBar(network.test, scaleStart)),
    hasTarget && accuracyCell(network.target),
    h("td", {}, count(network.num_params)),
    h("td", {}, count(network.macs)),
    h("td", {}, bytes(network.bytes)),
    h("td", {}, milliseconds(network.latency?.p50_ms)),
  );
}

/** @param {MeasuredNetwork["test"]} accuracy */
function accuracyCell(accuracy) {
  if (!accuracy) return h("td", {}, dash);
  return h("td", {}, h("b", {}, percent(accuracy.top1)), h("small", {}, intervalText(accuracy)));
}

/**
 * @param {TestedNetwork["test"]} accuracy
 * @param {number} scaleStart
 */
function intervalBar({ top1, top1_interval: [low, high] = [top1, top1] }, scaleStart) {
  /** @param {number} share */
  const x = (share) => BAR_MARGIN + ((share - scaleStart) / (1 - scaleStart)) * (BAR_WIDTH - 2 * BAR_MARGIN);
  const label = `${percent(top1)}, between ${percent(low)} and ${percent(high)}`;
  return s(
    "svg",
    { viewBox: `0 0 ${BAR_WIDTH} 18`, role: "img", "aria-label": label },
    s("line", { class: "rail", x1: BAR_MARGIN, x2: BAR_WIDTH - BAR_MARGIN, y1: 9, y2: 9 }),
    s("line", { class: "span", x1: x(low), x2: x(high), y1: 9, y2: 9 }),
    s("circle", { class: "value", cx: x(top1), cy: 9, r: 4.5 }),
  );
}
