// The methods of a job: their names, where they come from, and a form that writes them into the job.

import { h, replace } from "./dom.js";
import { knobForm } from "./knobs.js";
import { request } from "./wire.js";

let asked = null;

// All methods of the catalogue by name; asked for once.
export function catalogue() {
  asked ??= request("/v1/methods").then(({ data }) => Object.fromEntries(data.data.map((one) => [one.name, one])));
  asked.catch(() => { asked = null; });
  return asked;
}

// The terms of `method` as a job has it, short or long: a name, an object, a list, or a combination.
export function termsOf(method) {
  const terms = Array.isArray(method) ? method : method?.terms || [method];
  return terms.filter(Boolean).map((term) => (typeof term === "string" ? { name: term } : term));
}

export function methodName(method) {
  return termsOf(method).map((term) => term.name).join(" + ");
}

// What the methods of a job are, in words: source and how sure we are, as soon as the catalogue is there.
export function methodFacts(method) {
  const list = h("dl", { class: "methods" });
  catalogue().then((known) => replace(list, termsOf(method).map(({ name }) => [h("dt", {}, name), h("dd", {}, about(known[name]))]))).catch(() => {});
  return list;
}

function about(entry) {
  if (!entry) return "not known to this server";
  return [entry.summary, h("small", {}, h("b", {}, entry.fidelity), ` · ${entry.source}`)];
}

// `read` gives the job of the editor (null where it is no JSON), `write(change)` lets a function change it.
export function methodPicker(read, write) {
  const element = h("section", { class: "panel picker" }, h("h2", {}, "Method"));
  const body = h("div", {});
  element.append(body);
  let known = null, shown = null;

  function refresh() {
    const job = read();
    if (!known || !job) return;
    const told = JSON.stringify([job.method, job.teacher, job.dataset, job.student, job.more_teachers]);
    if (told === shown) return;
    shown = told;
    draw(job);
  }
  function draw(job) {
    const terms = termsOf(job.method);
    replace(body, terms.length ? null : h("p", { class: "quiet-text" }, job.teacher ? "None named: pkd." : "None named: scratch, as there is no teacher."),
      terms.map((term, place) => termPart(job, terms, term, place)), chooser(job, terms));
  }
  function put(terms) {
    write((job) => {
      if (terms.length) job.method = terms.length === 1 ? short(terms[0]) : terms.map(short);
      else delete job.method;
    });
    refresh();
  }
  function termPart(job, terms, term, place) {
    const entry = known[term.name];
    const remove = h("button", { type: "button", class: "quiet small", "aria-label": `Remove ${term.name}`, click: () => put(terms.filter((_, other) => other !== place)) }, "Remove");
    const part = h("div", { class: "term" }, h("div", { class: "heading" }, h("h3", {}, term.name), entry && h("span", { class: "label" }, entry.fidelity), remove));
    if (!entry) part.append(h("p", { class: "bad" }, "The server knows no such method."));
    else {
      part.append(h("p", {}, entry.summary), h("p", { class: "quiet-text" }, entry.source), needs(entry, job),
        knobForm(entry.knobs, term, `${place}.`, (name, value) => {
          const changed = { ...term };
          if (value === undefined) delete changed[name];
          else changed[name] = value;
          put(terms.map((one, other) => (other === place ? changed : one)));
        }));
    }
    return part;
  }
  function chooser(job, terms) {
    const adding = terms.length > 0;
    const option = (entry) => h("option", { value: entry.name, disabled: adding && !entry.can_be_combined }, `${entry.name}${adding && !entry.can_be_combined ? " (only alone)" : ""}`);
    const offered = Object.values(known).filter((entry) => entry.name !== "combined");
    const select = (label, use) => h("label", {}, label, h("select", { "data-key": `pick ${label}`, change: (event) => event.target.value && use({ name: event.target.value }) },
      h("option", { value: "" }, "…"), use === add ? offered.map(option) : offered.map((entry) => h("option", { value: entry.name }, entry.name))));
    const add = (term) => put([...terms, term]);
    const alone = terms.some((term) => known[term.name] && !known[term.name].can_be_combined);
    return h("div", { class: "actions" }, select(adding ? "replace with " : "method ", (term) => put([term])), adding && !alone && select("add up with ", add));
  }
  catalogue().then((found) => { known = found; refresh(); }).catch(() => replace(body, h("p", { class: "quiet-text" }, "The server did not list its methods.")));
  return { element, refresh };
}

function short(term) {
  return Object.keys(term).length === 1 ? term.name : term;
}

const MET = {
  teacher: (job) => Boolean(job.teacher),
  "initial weights": (job) => Boolean(job.teacher || job.student?.weights),
  "target images": (job) => Boolean(job.dataset?.target_uri),
  trajectory: (job) => Boolean(job.teacher?.trajectory || JSON.stringify(job.teacher || "").includes("job:")),
};
const MEANING = {
  teacher: "the big network",
  labels: "the classes of the training images",
  "common classes": "the teacher's classes include the customer's; known once the weights are read",
  "initial weights": "a teacher with student same, or student.weights",
  "target images": "dataset.target_uri",
  trajectory: "a job: teacher that kept checkpoints (training.keep_trajectory), or teacher.trajectory",
};

function needs(entry, job) {
  return h("p", { class: "needs" }, "Needs ", entry.needs.map((need) => {
    const lacking = MET[need] && !MET[need](job);
    return h("span", { class: `label ${lacking ? "lacking" : ""}`, title: MEANING[need] }, lacking ? `${need}: missing` : need);
  }));
}
