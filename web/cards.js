// What came of a job, in figures: the student beside its teacher, and all networks on the same test images.

import { h, s } from "./dom.js";
import { bytes, count, dash, percent, ratio } from "./format.js";

export function cards(job) {
  const student = { ...job.student, ...job.result?.metrics };
  const teacher = { ...job.plan?.teacher, ...job.result?.teacher };
  if (!student.architecture) return null;
  const latency = student.latency?.p50_ms, teacherLatency = teacher.latency?.p50_ms;
  return h("section", { class: "cards", "aria-label": "Student beside teacher" },
    accuracy(student.test, teacher.test, job),
    student.target ? card("Target domain top-1", percent(student.target.top1), teacher.target ? percent(teacher.target.top1) : null, points(student.target, teacher.target), within(student.target)) : null,
    card("Parameters", count(student.num_params), teacher.num_params && count(teacher.num_params), ratio(teacher.num_params, student.num_params)),
    card("MACs per image", count(student.macs), teacher.macs && count(teacher.macs), ratio(teacher.macs, student.macs, "fewer", "more")),
    card("Size, float32", bytes(student.bytes), teacher.bytes && bytes(teacher.bytes), ratio(teacher.bytes, student.bytes)),
    latency ? card("Latency, one thread", `${latency.toFixed(2)} ms`, teacherLatency && `${teacherLatency.toFixed(2)} ms`, ratio(teacherLatency, latency, "faster", "slower")) : null);
}

function accuracy(own, teachers, job) {
  if (!own) {
    const top1 = job.plan?.teacher_validation_top1;
    return card("Test top-1", dash, top1 != null ? `${percent(top1)} on validation` : null, "", job.done ? null : "measured after training");
  }
  return card("Test top-1", percent(own.top1), teachers?.top1 != null ? percent(teachers.top1) : null, points(own, teachers), within(own));
}

function points(own, teachers) {
  return teachers?.top1 == null ? "" : `${own.top1 >= teachers.top1 ? "+" : "−"}${Math.abs(100 * (own.top1 - teachers.top1)).toFixed(1)} points`;
}

function within({ top1_interval: interval }) {
  return interval ? `95%: ${percent(interval[0])} to ${percent(interval[1])}` : null;
}

function card(name, value, teacher, comparison, note) {
  return h("div", { class: "card" }, h("h3", {}, name), h("p", { class: "figure" }, value),
    note && h("p", { class: "note" }, note),
    h("p", { class: "against" }, teacher ? `teacher ${teacher}` : "", teacher && comparison ? " · " : "", comparison && h("b", { class: comparison.startsWith("−") ? "less" : "" }, comparison)));
}

// One row a network, its test accuracy with the 95% interval drawn on a common scale.
export function proof(job) {
  if (!job.result?.metrics?.test) return null;
  const rows = [["student", job.result.metrics], ["teacher", job.result.teacher], ...Object.entries(job.result.baselines || {})]
    .filter(([, measured]) => measured?.test);
  if (rows.length < 2) return null;
  const low = Math.min(...rows.map(([, one]) => (one.test.top1_interval || [one.test.top1])[0]));
  const targeted = rows.some(([, measured]) => measured.target);
  const from = Math.max(0, Math.floor(low * 10 - 0.5) / 10);
  return h("section", { class: "panel" }, h("h2", {}, "Side by side"),
    h("p", { class: "quiet-text" }, `Top-1 on the same ${rows[0][1].test.num_images} test images, with 95% Wilson intervals; baselines had the same data and steps.`),
    h("div", { class: "scroll" }, h("table", { class: "proof" },
      h("thead", {}, h("tr", {}, ["Network", "Test top-1", `${percent(from, 0)} to 100%`, targeted && "Target domain", "Params", "MACs", "Size", "Latency"].filter(Boolean).map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, rows.map(([name, measured]) => proofRow(name, measured, from, targeted))))));
}

function proofRow(name, measured, from, targeted) {
  const { top1, top1_interval: interval = [top1, top1] } = measured.test;
  return h("tr", { class: name === "student" ? "own" : "" },
    h("th", { scope: "row" }, name, h("small", {}, measured.architecture)),
    h("td", {}, h("b", {}, percent(top1)), h("small", {}, `${percent(interval[0])} to ${percent(interval[1])}`)),
    h("td", { class: "bar" }, interval_(top1, interval, from)),
    targeted && h("td", {}, h("b", {}, percent(measured.target?.top1)), measured.target && h("small", {}, within(measured.target).replace("95%: ", ""))),
    h("td", {}, count(measured.num_params)), h("td", {}, count(measured.macs)), h("td", {}, bytes(measured.bytes)),
    h("td", {}, measured.latency ? `${measured.latency.p50_ms.toFixed(2)} ms` : dash));
}

function interval_(value, [low, high], from) {
  const x = (share) => 4 + ((share - from) / (1 - from)) * 192;
  return s("svg", { viewBox: "0 0 200 18", role: "img", "aria-label": `${percent(value)}, between ${percent(low)} and ${percent(high)}` },
    s("line", { class: "rail", x1: 4, x2: 196, y1: 9, y2: 9 }),
    s("line", { class: "span", x1: x(low), x2: x(high), y1: 9, y2: 9 }),
    s("circle", { class: "value", cx: x(value), cy: 9, r: 4.5 }));
}
