// Which charts a job has: loss by term, accuracy against teacher and baselines, learning rate, throughput.

import { chart } from "./charts.js";
import { h, replace } from "./dom.js";
import { count, number, percent } from "./format.js";
import { request } from "./wire.js";

const POINTS = 400;
const percentage = (value) => percent(value);
const whole = (value) => percent(value, 0);

export function curves(id, signal) {
  const element = h("div", { class: "charts" });
  let log = false, series = {}, job = null, reading = false;
  const toggle = h("label", { class: "toggle" }, h("input", { type: "checkbox", change: (event) => { log = event.target.checked; draw(); } }), " log scale for losses");
  const draw = () => job && replace(element, charts(series, job, log));
  async function refresh(latest) {
    job = latest;
    if (reading) return;
    reading = true;
    try {
      const { data } = await request(`/v1/jobs/${id}/metrics?max_points=${POINTS}`, { signal });
      series = Object.fromEntries(data.data.map((one) => [one.name, one.points]));
      draw();
    } finally {
      reading = false;
    }
  }
  const download = h("button", { type: "button", class: "quiet small", click: () => saveCsv(id, series) }, "CSV");
  return { element: h("section", { class: "panel" }, h("div", { class: "heading" }, h("h2", {}, "Curves"), toggle, download), element), refresh };
}

function charts(series, job, log) {
  const named = (test, name = (text) => text, dashed = false) => Object.keys(series).filter(test)
    .map((key) => ({ name: name(key), points: series[key], dashed }));
  const only = (...names) => names.filter((name) => series[name]).map((name) => ({ name, points: series[name] }));
  const losses = named((key) => /^(train\/loss|val\/loss$)/.test(key));
  const rivals = named((key) => /^baseline\/.+\/val\/top1$/.test(key), (key) => key.split("/")[1], true);
  const drawn = [
    chart({ title: "Accuracy", series: [...only("val/top1", "train/top1"), ...rivals], lines: references(job, rivals), format: percentage, tick: whole }),
    chart({ title: "Loss by term", series: losses, log, floor: 0 }),
    chart({ title: job.spec.teacher ? "Agreement with the teacher and calibration error" : "Calibration error", series: only("val/teacher_agreement", "val/ece"), format: percentage, tick: whole, floor: 0 }),
    chart({ title: "Learning rate", series: only("learning_rate"), floor: 0, format: (value) => number(value, 2) }),
    chart({ title: "Images per second", series: only("images_per_second"), floor: 0, format: count }),
  ].filter(Boolean);
  return drawn.length ? drawn : h("p", { class: "quiet-text" }, job.done ? "No metrics were recorded." : "Curves appear with the first metrics.");
}

function references(job, rivals) {
  const found = [];
  const teacher = job.result?.teacher?.validation?.top1 ?? job.plan?.teacher_validation_top1;
  if (teacher !== null && teacher !== undefined) found.push({ name: "teacher", value: teacher });
  for (const [name, baseline] of Object.entries(job.result?.baselines || {})) {
    const top1 = baseline.validation?.top1;
    if (top1 !== undefined && !rivals.some((one) => one.name === name)) found.push({ name, value: top1 });
  }
  return found;
}

function saveCsv(id, series) {
  const lines = Object.entries(series).flatMap(([name, points]) => points.map(([step, value, at]) => `${name},${step},${value ?? ""},${at}`));
  const url = URL.createObjectURL(new Blob([["name,step,value,at", ...lines, ""].join("\n")], { type: "text/csv" }));
  h("a", { href: url, download: `${id}-metrics.csv` }).click();
  URL.revokeObjectURL(url);
}
