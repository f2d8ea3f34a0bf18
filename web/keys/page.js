// The page of API keys, for administrators: make, rotate and revoke them.

/** @import { Key } from "../api/types.js" */

import { createKey, listKeys, revokeKey, rotateKey } from "../api/access.js";
import { h, tableHead } from "../view/dom.js";
import { age, clock } from "../view/format.js";
import { labelled, panelForm, Records, rowButton } from "../view/records.js";

const COLUMNS = ["State", "Key", "Scope", "Tenant", "Last used", "Expires", ""];
const SCOPES = ["read", "submit", "admin"];
const DAY_SECONDS = 86400;

/**
 * @param {HTMLElement} view
 * @param {AbortSignal} signal ends the page
 */
export function showKeys(view, signal) {
  const page = new KeyList(signal);
  view.replaceChildren(...page.elements());
  page.records.refresh();
}

class KeyList {
  /** @param {AbortSignal} signal */
  constructor(signal) {
    this.records = new Records("API keys", () => this.#read(), signal);
    this.numPages = 1;
  }

  elements() {
    const { heading, notice, once, list } = this.records;
    return [heading, notice, once, this.#form(), list];
  }

  #form() {
    const scope = h(
      "select",
      { name: "scope" },
      SCOPES.map((one) => h("option", { value: one, selected: one === "submit" }, one)),
    );
    const fields = [
      labelled("Name", h("input", { name: "name", required: true, maxlength: 200, placeholder: "whose it is" })),
      labelled("Scope", scope),
      labelled(
        "Tenant",
        h("input", { name: "tenant", required: true, value: "default", pattern: "[a-z0-9][a-z0-9\\-]{0,62}" }),
      ),
      labelled(
        "Expires in days",
        h("input", { name: "days", type: "number", min: 1, max: 3650, placeholder: "never", size: 8 }),
      ),
    ];
    return panelForm("New key", "Make the key", fields, (entered) => this.#create(entered));
  }

  /** @param {FormData} entered */
  async #create(entered) {
    let made = false;
    await this.records.act(async () => {
      const key = await createKey({
        name: String(entered.get("name")),
        scope: String(entered.get("scope")),
        tenant: String(entered.get("tenant")),
        expires_in_days: Number(entered.get("days")) || null,
      });
      this.records.showOnce(`The key ${key.name}`, key.key);
      made = true;
    });
    return made;
  }

  async #read() {
    /** @type {Key[]} */
    const keys = [];
    /** @type {string | null} */
    let cursor = null;
    for (let page = 0; page < this.numPages; page++) {
      const { data, next_cursor: next } = await listKeys(cursor);
      keys.push(...data);
      cursor = next ?? null;
      if (!cursor) break;
    }
    const rows = keys.map((key) => this.#row(key));
    const table = h("table", { class: "records keys" }, tableHead(COLUMNS), h("tbody", {}, rows));
    return cursor ? [table, h("div", { class: "more" }, this.#older())] : [table];
  }

  #older() {
    const click = () => {
      this.numPages += 1;
      this.records.refresh();
    };
    return h("button", { type: "button", "data-key": "more", click }, "Older keys");
  }

  /** @param {Key} key */
  #row(key) {
    const state = stateOf(key);
    return h(
      "tr",
      {},
      h("td", {}, h("span", { class: "chip", "data-state": state.look }, state.name)),
      h("td", { class: "main" }, h("b", {}, key.name), h("small", { class: "mono" }, key.id), overlap(key)),
      h("td", { "data-head": "Scope" }, key.scope),
      h("td", { "data-head": "Tenant" }, key.tenant),
      h("td", { "data-head": "Last used" }, when(key.last_used_at, "never")),
      h("td", { "data-head": "Expires" }, key.expires_at ? clock(key.expires_at) : "never"),
      h("td", { class: "actions" }, state.name === "revoked" ? null : this.#buttons(key)),
    );
  }

  /** @param {Key} key */
  #buttons({ id, name }) {
    const rotate = () => {
      const question = `Give ${name} another text? The text of now is accepted for one more day.`;
      if (!confirm(question)) return;
      this.records.act(async () => this.records.showOnce(`The key ${name}`, (await rotateKey(id, DAY_SECONDS)).key));
    };
    const revoke = () => {
      const question = `Revoke ${name} for good? Programs that use it and sessions that it opened are refused at once.`;
      if (confirm(question)) this.records.act(() => revokeKey(id));
    };
    return [rowButton(id, "Rotate", rotate), rowButton(id, "Revoke", revoke, "danger")];
  }
}

/** @param {Key} key */
function stateOf(key) {
  if (key.revoked_at) return { name: "revoked", look: "failed" };
  if (key.expires_at && new Date(key.expires_at).getTime() < Date.now()) return { name: "expired", look: "paused" };
  return { name: "valid", look: "succeeded" };
}

/** @param {Key} key */
function overlap({ previous_until: until, revoked_at: revoked }) {
  if (!until || revoked || new Date(until).getTime() < Date.now()) return null;
  return h("small", {}, `the text before is accepted until ${clock(until)}`);
}

/**
 * @param {string | null | undefined} at
 * @param {string} otherwise
 */
function when(at, otherwise) {
  return at ? h("time", { datetime: at, title: clock(at) }, age(at)) : otherwise;
}
