// Line charts as SVG: several series, horizontal reference lines, and a cross-hair that reads the values.

/** @import { Scale } from "./chart-scale.js" */

import { linearScale, logScale, logTicks, range, ticks } from "./chart-scale.js";
import { h, s } from "./dom.js";
import { count, number } from "./format.js";

/** @typedef {(value: number | null | undefined) => string} Format */
/** @typedef {[step: number, value: number]} Point */
/** @typedef {{ name: string, points: Point[], dashed?: boolean }} Line */
/** @typedef {Line & { color: string }} ColoredLine */
/** @typedef {{ name: string, value: number }} Reference */

/**
 * @typedef {object} ChartOptions
 * @property {string} title
 * @property {{ name: string, points: [number, number | null, ...unknown[]][], dashed?: boolean }[]} series
 * @property {Reference[]} [references] horizontal lines
 * @property {Format} [format] of a value
 * @property {Format} [tick] of a value on the axis
 * @property {boolean} [log] logarithmic value axis
 * @property {number | null} [floor] a value that the axis always shows
 */

const WIDTH = 640;
const HEIGHT = 260;
const LEFT = 52;
const RIGHT = 14;
const TOP = 12;
const BOTTOM = 30;

/**
 * A chart, or null where there is nothing to draw.
 * @param {ChartOptions} options
 */
export function chart({ title, series, references = [], format = number, tick = format, log = false, floor = null }) {
  const lines = series.map((one, index) => drawable(one, index, log));
  const values = lines.flatMap((line) => line.points.map(([, value]) => value));
  if (!values.length) return null;
  const [low, high] = range([...values, ...references.map((one) => one.value)], { floor, log });
  const lastStep = Math.max(1, ...lines.flatMap((line) => line.points.map(([step]) => step)));
  const x = linearScale(0, lastStep, LEFT, WIDTH - RIGHT);
  const y = (log ? logScale : linearScale)(low, high, HEIGHT - BOTTOM, TOP);
  const ruler = s("line", { class: "ruler", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  const latest = lines.map((line) => `${line.name} ${format(line.points.at(-1)?.[1])}`).join(", ");
  const plot = s(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}. Latest: ${latest}` },
    valueAxis(log ? logTicks(low, high) : ticks(low, high, 4), y, tick),
    stepAxis(lastStep, x),
    references.map((one, index) => referenceLine(one, y, index)),
    lines.map((line) => curve(line, x, y)),
    ruler,
  );
  const readout = h("p", { class: "readout" }, " ");
  addCrossHair({ plot, ruler, readout, lines, x, format });
  return h("figure", { class: "chart" }, h("figcaption", {}, title), plot, legend(lines, references, format), readout);
}

/**
 * The line without values that cannot be drawn.
 * @param {ChartOptions["series"][number]} series
 * @param {number} index
 * @param {boolean} log
 * @returns {ColoredLine}
 */
function drawable({ name, points, dashed }, index, log) {
  /** @type {Point[]} */
  const kept = [];
  for (const [step, value] of points) {
    if (value !== null && Number.isFinite(value) && (!log || value > 0)) kept.push([step, value]);
  }
  return { name, dashed, color: `c${index % 8}`, points: kept };
}

/**
 * @param {number[]} values
 * @param {Scale} y
 * @param {Format} format
 */
function valueAxis(values, y, format) {
  return values.map((value) =>
    s(
      "g",
      { class: "tick" },
      s("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
      s("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, format(value)),
    ),
  );
}

/**
 * @param {number} last
 * @param {Scale} x
 */
function stepAxis(last, x) {
  return ticks(0, last, 5).map((step) =>
    s("text", { class: "step", x: x(step), y: HEIGHT - 10, "text-anchor": "middle" }, count(step)),
  );
}

/**
 * @param {Reference} reference
 * @param {Scale} y
 * @param {number} index
 */
function referenceLine({ name, value }, y, index) {
  const line = s("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) });
  return s("g", { class: `reference r${index % 4}` }, line, s("title", {}, name));
}

/**
 * @param {ColoredLine} line
 * @param {Scale} x
 * @param {Scale} y
 */
function curve({ points, color, dashed }, x, y) {
  const last = points.at(-1);
  if (!last) return null;
  const path = points.map(([step, value]) => `${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("L");
  return s(
    "g",
    {},
    s("path", { class: `curve ${color}${dashed ? " dashed" : ""}`, d: `M${path}` }),
    s("circle", { class: `dot ${color}`, cx: x(last[0]), cy: y(last[1]), r: 3.2 }),
  );
}

/**
 * @param {ColoredLine[]} lines
 * @param {Reference[]} references
 * @param {Format} format
 */
function legend(lines, references, format) {
  return h(
    "ul",
    { class: "legend" },
    lines.map((line) => legendEntry(line.color, line.name, format(line.points.at(-1)?.[1]), line.dashed)),
    references.map((one, index) => legendEntry(`r${index % 4}`, one.name, format(one.value), true)),
  );
}

/**
 * @param {string} color
 * @param {string} name
 * @param {string} value
 * @param {boolean} [dashed]
 */
function legendEntry(color, name, value, dashed) {
  return h("li", {}, h("i", { class: `${color}${dashed ? " dashed" : ""}` }), name, h("b", {}, value));
}

/**
 * Shows the values at the step that is nearest to the pointer.
 * @param {object} parts
 * @param {SVGSVGElement} parts.plot
 * @param {SVGLineElement} parts.ruler
 * @param {HTMLElement} parts.readout
 * @param {ColoredLine[]} parts.lines
 * @param {Scale} parts.x
 * @param {Format} parts.format
 */
function addCrossHair({ plot, ruler, readout, lines, x, format }) {
  const steps = [...new Set(lines.flatMap((line) => line.points.map(([step]) => step)))].sort((a, b) => a - b);
  plot.addEventListener("pointermove", (event) => {
    const step = nearest(steps, x, pointerX(plot, event));
    ruler.setAttribute("x1", String(x(step)));
    ruler.setAttribute("x2", String(x(step)));
    ruler.setAttribute("visibility", "visible");
    readout.textContent = `step ${step}: ${valuesAt(lines, step, format)}`;
  });
  plot.addEventListener("pointerleave", () => {
    ruler.setAttribute("visibility", "hidden");
    readout.textContent = " ";
  });
}

/**
 * Where the pointer is, in units of the drawing.
 * @param {SVGSVGElement} plot
 * @param {PointerEvent} event
 */
function pointerX(plot, event) {
  const box = plot.getBoundingClientRect();
  return ((event.clientX - box.left) / box.width) * WIDTH;
}

/**
 * @param {number[]} steps
 * @param {Scale} x
 * @param {number} at
 */
function nearest(steps, x, at) {
  return steps.reduce((best, other) => (Math.abs(x(other) - at) < Math.abs(x(best) - at) ? other : best));
}

/**
 * The value of each line at a step, or the last one before it.
 * @param {ColoredLine[]} lines
 * @param {number} step
 * @param {Format} format
 */
function valuesAt(lines, step, format) {
  return lines
    .map((line) => ({ name: line.name, point: line.points.findLast(([other]) => other <= step) }))
    .filter(({ point }) => point)
    .map(({ name, point }) => `${name} ${format(point?.[1])}`)
    .join(" · ");
}
