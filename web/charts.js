// Line charts as SVG: several series, horizontal reference lines, a cross-hair that reads the values.

import { h, s } from "./dom.js";
import { count, number } from "./format.js";

const WIDTH = 640, HEIGHT = 260, LEFT = 52, RIGHT = 14, TOP = 12, BOTTOM = 30;

// series: [{name, points: [[step, value]], dashed}]; lines: [{name, value}]; format and tick: number -> text
export function chart({ title, series, lines = [], format = number, tick = format, log = false, floor = null }) {
  const shown = series.map((one, index) => ({ ...one, color: `c${index % 8}`, points: one.points.filter(([, value]) => drawable(value, log)) }));
  const values = [...shown.flatMap((one) => one.points.map(([, value]) => value)), ...lines.map((line) => line.value).filter((value) => drawable(value, log))];
  const steps = shown.flatMap((one) => one.points.map(([step]) => step));
  if (!values.length || !steps.length) return null;
  const x = scale(0, Math.max(...steps, 1), LEFT, WIDTH - RIGHT);
  const [low, high] = bounds(values, floor, log);
  const y = log ? logScale(low, high) : scale(low, high, HEIGHT - BOTTOM, TOP);
  const ruler = s("line", { class: "ruler", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  const summary = shown.map((one) => `${one.name} ${format(one.points.at(-1)?.[1])}`).join(", ");
  const plot = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}. Latest: ${summary}` },
    grid(low, high, y, tick, log), steppes(x, Math.max(...steps, 1)),
    lines.map((line, index) => reference(line, y, index)),
    shown.map((one) => curve(one, x, y)), ruler);
  const legend = h("ul", { class: "legend" },
    shown.map((one) => entry(one.color, one.name, format(one.points.at(-1)?.[1]), one.dashed)),
    lines.map((line, index) => entry(`r${index % 4}`, line.name, format(line.value), true)));
  const readout = h("p", { class: "readout" }, " ");
  listen(plot, ruler, readout, shown, x, format);
  return h("figure", { class: "chart" }, h("figcaption", {}, title), plot, legend, readout);
}

function drawable(value, log) {
  return value !== null && value !== undefined && Number.isFinite(value) && (!log || value > 0);
}

function bounds(values, floor, log) {
  let low = Math.min(...values), high = Math.max(...values);
  if (log) return low === high ? [low / 2, high * 2] : [low, high];
  if (floor !== null) low = Math.min(floor, low);
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  return [floor !== null && low >= floor ? low : low - margin, high + margin];
}

function scale(low, high, from, to) {
  return (value) => from + ((value - low) / (high - low || 1)) * (to - from);
}

function logScale(low, high) {
  const linear = scale(Math.log(low), Math.log(high), HEIGHT - BOTTOM, TOP);
  return (value) => linear(Math.log(value));
}

function ticks(low, high, wanted) {
  const rough = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) found.push(Number(value.toPrecision(12)));
  return found;
}

function grid(low, high, y, format, log) {
  const at = log ? [low, Math.sqrt(low * high), high] : ticks(low, high, 4);
  return at.map((value) => s("g", { class: "tick" },
    s("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
    s("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, format(value))));
}

function steppes(x, last) {
  return ticks(0, last, 5).map((step) => s("text", { class: "step", x: x(step), y: HEIGHT - 10, "text-anchor": "middle" }, count(step)));
}

function reference({ name, value }, y, index) {
  return s("g", { class: `reference r${index % 4}` },
    s("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }), s("title", {}, name));
}

function curve({ points, color, dashed }, x, y) {
  if (!points.length) return null;
  const path = points.map(([step, value], index) => `${index ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const [step, value] = points.at(-1);
  return [s("path", { class: `curve ${color}${dashed ? " dashed" : ""}`, d: path }),
    s("circle", { class: `dot ${color}`, cx: x(step), cy: y(value), r: 3.2 })];
}

function entry(color, name, value, dashed) {
  return h("li", {}, h("i", { class: `${color}${dashed ? " dashed" : ""}` }), name, h("b", {}, value));
}

function listen(plot, ruler, readout, series, x, format) {
  const steps = [...new Set(series.flatMap((one) => one.points.map(([step]) => step)))].sort((a, b) => a - b);
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    const step = steps.reduce((best, other) => (Math.abs(x(other) - at) < Math.abs(x(best) - at) ? other : best));
    ruler.setAttribute("x1", x(step));
    ruler.setAttribute("x2", x(step));
    ruler.setAttribute("visibility", "visible");
    const told = series.map((one) => [one.name, one.points.findLast(([other]) => other <= step)]).filter(([, point]) => point);
    readout.textContent = `step ${step}: ${told.map(([name, [, value]]) => `${name} ${format(value)}`).join(" · ")}`;
  });
  plot.addEventListener("pointerleave", () => { ruler.setAttribute("visibility", "hidden"); readout.textContent = " "; });
}
