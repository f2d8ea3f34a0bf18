// Chooses the page by the part of the address after #: #/jobs, #/new, #/jobs/<id>.

import { showHealth } from "./health.js";
import { showJob } from "./job/page.js";
import { showJobs } from "./jobs/page.js";
import { showNewJob } from "./new/page.js";
import { addThemeButton } from "./theme.js";

const view = /** @type {HTMLElement} */ (document.getElementById("view"));
let leaving = new AbortController();

function route() {
  leaving.abort();
  leaving = new AbortController();
  const [path, query] = (location.hash.slice(1) || "/jobs").split("?");
  const [, page, id] = path.split("/");
  const parameters = new URLSearchParams(query);
  markLinks(id ? "" : page);
  if (page === "new") showNewJob(view, parameters, leaving.signal);
  else if (page === "jobs" && id) showJob(view, decodeURIComponent(id), leaving.signal);
  else showJobs(view, parameters, leaving.signal);
}

/** @param {string} page whose link is the current one */
function markLinks(page) {
  for (const link of document.querySelectorAll("[data-nav]")) {
    link.toggleAttribute("aria-current", link.getAttribute("data-nav") === page);
  }
}

function showNextPage() {
  route();
  view.focus({ preventScroll: true });
  scrollTo(0, 0);
}

addThemeButton(/** @type {HTMLElement} */ (document.getElementById("theme")));
addEventListener("hashchange", showNextPage);
route();
showHealth(/** @type {HTMLElement} */ (document.getElementById("health")));
