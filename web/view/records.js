// What the pages of keys and webhooks share: a list that is read anew after each action, and a text shown once.

import { describeError } from "../api/request.js";
import { copyButton, h, replace } from "./dom.js";

/** The frame of such a page: a heading, faults, a text shown once, a form, and the list. */
export class Records {
  /**
   * @param {string} title
   * @param {() => Promise<Node[]>} read the list as elements
   * @param {AbortSignal} signal ends the page
   */
  constructor(title, read, signal) {
    document.title = `${title} · Retort`;
    this.read = read;
    this.signal = signal;
    this.heading = h("div", { class: "heading" }, h("h1", {}, title));
    this.notice = h("div", {});
    this.once = h("div", {});
    this.list = h("div", {});
  }

  /** Reads the list and shows it. */
  refresh() {
    return this.act(async () => {});
  }

  /**
   * Does something, then reads the list anew; shows what went wrong.
   * @param {() => Promise<unknown>} work
   */
  async act(work) {
    try {
      await work();
      const found = await this.read();
      if (this.signal.aborted) return;
      replace(this.list, found);
      replace(this.notice);
    } catch (error) {
      if (!this.signal.aborted) this.fail(error);
    }
  }

  /** @param {unknown} error */
  fail(error) {
    replace(this.notice, h("p", { class: "notice", role: "alert" }, describeError(error)));
  }

  /**
   * Shows a text that the service shows only now, until the person says that it is stored.
   * @param {string} what
   * @param {string} text
   */
  showOnce(what, text) {
    const done = h("button", { type: "button", class: "quiet", click: () => replace(this.once) }, "I have stored it");
    replace(
      this.once,
      h(
        "section",
        { class: "panel once", role: "status" },
        h("h2", {}, `${what}: it is shown this once`),
        h("p", {}, h("code", { class: "secret" }, text)),
        h("span", { class: "actions" }, copyButton(text), done),
      ),
    );
    this.once.scrollIntoView({ block: "nearest" });
  }
}

/**
 * A button of a row.
 * @param {string} key that is the same after the row is drawn anew
 * @param {string} title
 * @param {() => void} click
 * @param {string} [look]
 */
export function rowButton(key, title, click, look = "") {
  return h("button", { type: "button", class: `small ${look}`.trim(), "data-key": `${title} ${key}`, click }, title);
}

/**
 * A form in a panel. `submit` is called with what was entered; the fields are emptied where it succeeds.
 * @param {string} title
 * @param {string} button
 * @param {Node[]} fields
 * @param {(entered: FormData) => Promise<unknown>} submit
 */
export function panelForm(title, button, fields, submit) {
  const send = h("button", { type: "submit", class: "button" }, button);
  const onSubmit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    send.disabled = true;
    try {
      if (await submit(new FormData(form))) form.reset();
    } finally {
      send.disabled = false;
    }
  };
  const form = h("form", { class: "entry", submit: onSubmit }, ...fields, send);
  return h("details", { class: "panel" }, h("summary", {}, title), form);
}

/**
 * A labelled field.
 * @param {string} title
 * @param {Node} field
 */
export function labelled(title, field) {
  return h("label", {}, h("span", {}, title), field);
}
