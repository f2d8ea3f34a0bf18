// What a person can do with a job: pause it, resume it, cancel it, retry it, delete it.

/** @import { Job } from "../api/types.js" */

import { request } from "../api/request.js";
import { h } from "../view/dom.js";

/** @typedef {"pause" | "resume" | "cancel" | "retry" | "delete"} ActionName */

/**
 * @typedef {object} Action
 * @property {string} title
 * @property {(job: Job) => boolean} isPossible
 * @property {(id: string) => Promise<{ data: Job }>} send
 * @property {string} [question] that must be answered with yes
 */

/** @type {Record<ActionName, Action>} */
const ACTIONS = {
  pause: {
    title: "Pause",
    isPossible: (job) => ["queued", "running"].includes(job.state),
    send: (id) => request(`/v1/jobs/${id}/pause`, { method: "POST" }),
  },
  resume: {
    title: "Resume",
    isPossible: (job) => job.state === "paused",
    send: (id) => request(`/v1/jobs/${id}/resume`, { method: "POST" }),
  },
  cancel: {
    title: "Cancel",
    isPossible: (job) => ["queued", "running", "pausing", "paused"].includes(job.state),
    send: (id) => request(`/v1/jobs/${id}/cancel`, { method: "POST" }),
  },
  retry: {
    title: "Retry",
    isPossible: (job) => ["failed", "cancelled"].includes(job.state),
    send: (id) => request(`/v1/jobs/${id}/retry`, { method: "POST" }),
  },
  delete: {
    title: "Delete",
    isPossible: (job) => job.done,
    send: (id) => request(`/v1/jobs/${id}`, { method: "DELETE" }),
    question: "Delete this job, its metrics and its artifacts?",
  },
};
const NAMES = /** @type {ActionName[]} */ (Object.keys(ACTIONS));

/**
 * A button for each action that the job's state allows.
 * @param {Job} job
 * @param {(name: ActionName) => void} onClick
 */
export function actionButtons(job, onClick) {
  const possible = NAMES.filter((name) => ACTIONS[name].isPossible(job));
  return possible.map((name) => {
    const look = { class: name === "delete" ? "danger" : "", "data-key": name };
    return h("button", { type: "button", ...look, click: () => onClick(name) }, ACTIONS[name].title);
  });
}

/**
 * Asks the person where the action cannot be undone, then sends it. Null where the person said no.
 * @param {ActionName} name
 * @param {string} id
 */
export async function perform(name, id) {
  const { question, send } = ACTIONS[name];
  if (question && !confirm(question)) return null;
  return (await send(id)).data;
}
