// The page's address after # says what is shown: #/jobs, #/new, #/jobs/<id>.

import { showJob } from "./job.js";
import { showJobs } from "./jobs.js";
import { showNew } from "./new.js";
import { request, sleep } from "./wire.js";

const view = document.getElementById("view");
let leaving = new AbortController();

function route() {
  leaving.abort();
  leaving = new AbortController();
  const [path, query] = (location.hash.slice(1) || "/jobs").split("?");
  const [, page, id] = path.split("/");
  for (const link of document.querySelectorAll("[data-nav]")) {
    link.toggleAttribute("aria-current", link.dataset.nav === page && !id);
  }
  const parameters = new URLSearchParams(query);
  if (page === "new") showNew(view, parameters, leaving.signal);
  else if (page === "jobs" && id) showJob(view, decodeURIComponent(id), leaving.signal);
  else showJobs(view, parameters, leaving.signal);
}

async function tellHealth() {
  const place = document.getElementById("health");
  for (;;) {
    try {
      const { data } = await request("/readyz");
      const alive = data.workers_alive;
      place.textContent = alive ? `${alive} worker${alive > 1 ? "s" : ""}` : "no worker: jobs will wait";
      place.dataset.state = alive ? "good" : "warning";
    } catch (error) {
      place.textContent = error.status ? error.message : "server unreachable";
      place.dataset.state = "bad";
    }
    await sleep(5000);
  }
}

function setUpTheme() {
  const root = document.documentElement;
  root.dataset.theme = localStorage.getItem("theme") || "";
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
  });
}

setUpTheme();
addEventListener("hashchange", () => { route(); view.focus({ preventScroll: true }); scrollTo(0, 0); });
route();
tellHealth();
