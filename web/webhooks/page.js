// The page of webhooks: endpoints that are told of jobs.

/** @import { Webhook } from "../api/types.js" */

import { createWebhook, deleteWebhook, enableWebhook, listWebhooks, rotateWebhook } from "../api/access.js";
import { h, tableHead } from "../view/dom.js";
import { age, clock } from "../view/format.js";
import { labelled, panelForm, Records, rowButton } from "../view/records.js";

const COLUMNS = ["State", "Endpoint", "Told of", "Since", ""];
const STATES = ["queued", "running", "pausing", "paused", "cancelling", "succeeded", "failed", "cancelled"];
const ENDINGS = ["succeeded", "failed", "cancelled"];

/**
 * @param {HTMLElement} view
 * @param {AbortSignal} signal ends the page
 */
export function showWebhooks(view, signal) {
  const page = new WebhookPage(signal);
  view.replaceChildren(...page.elements());
  page.records.refresh();
}

class WebhookPage {
  /** @param {AbortSignal} signal */
  constructor(signal) {
    this.records = new Records("Webhooks", () => this.#read(), signal);
  }

  elements() {
    const { heading, notice, once, list } = this.records;
    return [heading, notice, once, this.#form(), list];
  }

  #form() {
    const url = { name: "url", type: "url", required: true, maxlength: 2000, placeholder: "https://" };
    const states = STATES.map((state) => {
      const box = h("input", { type: "checkbox", name: "state", value: state, checked: ENDINGS.includes(state) });
      return h("label", { class: "choice" }, box, state);
    });
    const fields = [
      labelled("Address", h("input", url)),
      labelled("Description", h("input", { name: "description", maxlength: 500 })),
      h("fieldset", {}, h("legend", {}, "Told when a job is"), states),
    ];
    return panelForm("New webhook", "Add the webhook", fields, (entered) => this.#create(entered));
  }

  /** @param {FormData} entered */
  async #create(entered) {
    let made = false;
    await this.records.act(async () => {
      const webhook = await createWebhook({
        url: String(entered.get("url")),
        events: entered.getAll("state").map((state) => `job.${state}`),
        description: String(entered.get("description")),
      });
      this.records.showOnce("The secret that signs its messages", webhook.secret);
      made = true;
    });
    return made;
  }

  async #read() {
    const { data } = await listWebhooks();
    if (!data.length) return [emptyList()];
    const rows = data.map((webhook) => this.#row(webhook));
    return [h("table", { class: "records webhooks" }, tableHead(COLUMNS), h("tbody", {}, rows))];
  }

  /** @param {Webhook} webhook */
  #row(webhook) {
    const events = webhook.events.map((event) => h("span", { class: "label" }, event.replace("job.", "")));
    const since = h(
      "time",
      { datetime: webhook.created_at, title: clock(webhook.created_at) },
      age(webhook.created_at),
    );
    return h(
      "tr",
      {},
      h("td", {}, webhookChip(webhook)),
      h("td", { class: "main" }, identity(webhook)),
      h("td", { "data-head": "Told of" }, h("span", {}, events)),
      h("td", { "data-head": "Since" }, since),
      h("td", { class: "actions" }, this.#buttons(webhook)),
    );
  }

  /** @param {Webhook} webhook */
  #buttons({ id, url, enabled }) {
    const rotate = () => {
      if (!confirm(`Give ${url} another secret? For a day both secrets sign.`)) return;
      this.records.act(async () => this.records.showOnce("The new secret", (await rotateWebhook(id)).secret));
    };
    const remove = () => {
      if (confirm(`Delete ${url} with all its messages?`)) this.records.act(() => deleteWebhook(id));
    };
    const toggle = () => this.records.act(() => enableWebhook(id, !enabled));
    return [
      rowButton(id, enabled ? "Disable" : "Enable", toggle),
      rowButton(id, "Rotate", rotate),
      rowButton(id, "Delete", remove, "danger"),
    ];
  }
}

/** @param {Webhook} webhook */
function identity({ id, url, description, disabled_reason: reason }) {
  return [
    h("a", { href: `#/webhooks/${id}`, "data-key": id }, url),
    description && h("small", {}, description),
    reason && h("small", { class: "bad" }, reason),
  ];
}

/** @param {Webhook} webhook */
export function webhookChip({ enabled, failing_since: failing }) {
  const [name, look] = !enabled ? ["disabled", "failed"] : failing ? ["failing", "paused"] : ["enabled", "succeeded"];
  return h("span", { class: "chip", "data-state": look }, name);
}

function emptyList() {
  return h(
    "div",
    { class: "empty" },
    h("h2", {}, "No webhooks yet"),
    h("p", {}, "A webhook is an address of yours that is told, in signed messages, when a job starts, ends or fails."),
  );
}
