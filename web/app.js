// Chooses the page by the part of the address after #: #/jobs, #/new, #/jobs/<id>, #/webhooks, #/webhooks/<id>, #/keys;
// #/sign-in/<code> signs in first.

import { ApiError, SIGNED_OUT } from "./api/request.js";
import { currentSession, signIn } from "./api/session.js";
import { showHealth } from "./health.js";
import { showJob } from "./job/page.js";
import { showJobs } from "./jobs/page.js";
import { showKeys } from "./keys/page.js";
import { showNewJob } from "./new/page.js";
import { showAccount } from "./sign-in/account.js";
import { showSignIn } from "./sign-in/page.js";
import { addThemeButton } from "./theme.js";
import { showDeliveries } from "./webhooks/deliveries.js";
import { showWebhooks } from "./webhooks/page.js";

const view = /** @type {HTMLElement} */ (document.getElementById("view"));
const account = /** @type {HTMLElement} */ (document.getElementById("account"));
let leaving = new AbortController();
let isSignedIn = false;

function route() {
  leaving.abort();
  leaving = new AbortController();
  const [path, query] = (location.hash.slice(1) || "/jobs").split("?");
  const [, page, id] = path.split("/");
  const parameters = new URLSearchParams(query);
  markLinks(id ? "" : page);
  if (page === "new") showNewJob(view, parameters, leaving.signal);
  else if (page === "keys") showKeys(view, leaving.signal);
  else if (page === "webhooks" && id) showDeliveries(view, decodeURIComponent(id), leaving.signal);
  else if (page === "webhooks") showWebhooks(view, leaving.signal);
  else if (page === "jobs" && id) showJob(view, decodeURIComponent(id), leaving.signal);
  else showJobs(view, parameters, leaving.signal);
}

/** @param {string} page whose link is the current one */
function markLinks(page) {
  for (const link of document.querySelectorAll("[data-nav]")) {
    link.toggleAttribute("aria-current", link.getAttribute("data-nav") === page);
  }
}

async function showNextPage() {
  if (location.hash.startsWith("#/sign-in/")) await enter();
  else if (isSignedIn) route();
  view.focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** Shows the page of the address to those who are signed in, by now or by the code in the address. */
async function enter() {
  const fault = await useCode();
  const session = await currentSession().catch(() => null);
  isSignedIn = session !== null;
  showAccount(account, session, leave);
  document.body.toggleAttribute("data-signed-in", isSignedIn);
  document.body.dataset.scope = session?.scope ?? "";
  if (isSignedIn) route();
  else askToSignIn(fault);
}

/**
 * Signs in with the code of a link, and takes the code out of the address and the history.
 * @returns {Promise<string>} why that failed; empty where it did not
 */
async function useCode() {
  if (location.hash === "#/refused") return "Your organization's sign-in was refused. Ask who runs this service.";
  const code = location.hash.match(/^#\/sign-in\/(.+)$/)?.[1];
  if (!code) return "";
  history.replaceState(null, "", "/#/jobs");
  if (await currentSession().catch(() => null)) return "";
  try {
    await signIn({ code });
    return "";
  } catch (error) {
    return error instanceof ApiError ? "This link was used, or is too old. `retort dashboard` prints another." : "";
  }
}

/** @param {string} reason */
function askToSignIn(reason) {
  leaving.abort();
  isSignedIn = false;
  document.body.removeAttribute("data-signed-in");
  showAccount(account, null, leave);
  showSignIn(view, enter, reason);
}

function leave() {
  askToSignIn("");
}

addThemeButton(/** @type {HTMLElement} */ (document.getElementById("theme")));
addEventListener("hashchange", showNextPage);
addEventListener(SIGNED_OUT, () => {
  if (isSignedIn) askToSignIn("Your session has ended.");
});
enter();
showHealth(/** @type {HTMLElement} */ (document.getElementById("health")));
