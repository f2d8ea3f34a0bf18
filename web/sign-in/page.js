// The page for those whom the service does not know: a field for an API key, and a button where a provider is set up.

import { ApiError, describeError } from "../api/request.js";
import { signIn, waysToSignIn } from "../api/session.js";
import { h, replace } from "../view/dom.js";

/**
 * @param {HTMLElement} view
 * @param {() => void} onSignedIn
 * @param {string} reason why the person is here; may be empty
 */
export function showSignIn(view, onSignedIn, reason = "") {
  document.title = "Sign in · Retort";
  const fault = h("p", { class: "fault", role: "alert" }, reason);
  const provider = h("div", {});
  const form = keyForm(onSignedIn, fault);
  view.replaceChildren(
    h(
      "section",
      { class: "panel sign-in" },
      h("img", { src: "/web/icon.svg", alt: "", width: 56, height: 56 }),
      h("h1", {}, "Sign in"),
      provider,
      form,
      fault,
      explanation(),
    ),
  );
  form.querySelector("input")?.focus();
  offerProvider(provider);
}

/**
 * @param {() => void} onSignedIn
 * @param {HTMLElement} fault where a refusal is shown
 */
function keyForm(onSignedIn, fault) {
  const key = h("input", {
    type: "password",
    name: "key",
    required: true,
    autocomplete: "current-password",
    spellcheck: "false",
    placeholder: "rtk_…",
  });
  const button = h("button", { type: "submit", class: "button" }, "Sign in");
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await signIn({ key: key.value.trim() });
      onSignedIn();
    } catch (error) {
      fault.textContent = error instanceof ApiError ? sentence(error.message) : describeError(error);
      key.select();
    } finally {
      button.disabled = false;
    }
  };
  return h("form", { submit }, h("label", {}, "API key", key), button);
}

/** @param {HTMLElement} place of the button */
async function offerProvider(place) {
  const offer = await waysToSignIn().catch(() => null);
  if (!offer?.ways.includes("oidc")) return;
  const button = h("a", { class: "button", href: "/v1/sign-in/oidc" }, "Sign in with your organization");
  replace(place, button, h("p", { class: "or" }, "or with an API key"));
}

function explanation() {
  return h(
    "details",
    {},
    h("summary", {}, "I have no key"),
    h(
      "p",
      {},
      "If you started Retort on this machine with ",
      h("code", {}, "retort up"),
      ", run ",
      h("code", {}, "retort dashboard"),
      ": it prints a link that signs you in.",
    ),
    h(
      "p",
      {},
      "Otherwise ask who runs this service. An administrator makes keys with ",
      h("code", {}, "retort keys create"),
      ".",
    ),
  );
}

/** @param {string} text */
function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}
