// The line in the page's header that says whether the server answers and how many workers are alive.

import { sleep } from "./api/poll.js";
import { ApiError, request } from "./api/request.js";
import { plural } from "./view/format.js";

const INTERVAL_MILLISECONDS = 5000;

/**
 * Asks for ever.
 * @param {HTMLElement} element
 */
export async function showHealth(element) {
  for (;;) {
    const { text, state } = await health();
    element.textContent = text;
    element.dataset.state = state;
    await sleep(INTERVAL_MILLISECONDS);
  }
}

async function health() {
  try {
    const { data } = await request("/readyz");
    const alive = data.workers_alive;
    const unfit = data.workers_quarantined;
    if (unfit) return { text: `${plural(alive, "worker")}, ${unfit} in quarantine`, state: "warning" };
    if (alive) return { text: plural(alive, "worker"), state: "good" };
    return { text: "no worker: jobs will wait", state: "warning" };
  } catch (error) {
    return { text: error instanceof ApiError ? error.message : "server unreachable", state: "bad" };
  }
}
