// The part of the page's header that says who is signed in, with the button to sign out.

/** @import { Session } from "../api/types.js" */

import { signOut } from "../api/session.js";
import { h, replace } from "../view/dom.js";

/**
 * @param {HTMLElement} place
 * @param {Session | null} session
 * @param {() => void} onSignedOut
 */
export function showAccount(place, session, onSignedOut) {
  if (!session || session.authentication === "open") {
    replace(place);
    return;
  }
  const click = async () => {
    await signOut();
    onSignedOut();
  };
  const title = `tenant ${session.tenant}, scope ${session.scope}`;
  replace(
    place,
    h("span", { class: "who", title }, session.name),
    h("button", { type: "button", class: "quiet", click }, "Sign out"),
  );
}
