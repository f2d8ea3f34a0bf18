// The page of one webhook: its messages, and sending them again.

/** @import { Delivery, DeliveryPage } from "../api/types.js" */

import { getWebhook, listDeliveries, replayDead, replayDelivery } from "../api/access.js";
import { fieldValue, h, replace, tableHead } from "../view/dom.js";
import { age, clock, dash, plural } from "../view/format.js";
import { Records, rowButton } from "../view/records.js";
import { webhookChip } from "./page.js";

const COLUMNS = ["State", "Message", "Job", "Tries", "Last answer", "Next try", "Made", ""];
const LOOKS = { pending: "paused", delivered: "succeeded", dead: "failed" };
const INTERVAL_MILLISECONDS = 5000;

/**
 * @param {HTMLElement} view
 * @param {string} id of the webhook
 * @param {AbortSignal} signal ends the page
 */
export function showDeliveries(view, id, signal) {
  const page = new DeliveryList(id, signal);
  view.replaceChildren(...page.elements());
  page.records.refresh();
  const clock = setInterval(() => !document.hidden && page.records.refresh(), INTERVAL_MILLISECONDS);
  signal.addEventListener("abort", () => clearInterval(clock));
}

class DeliveryList {
  /**
   * @param {string} id
   * @param {AbortSignal} signal
   */
  constructor(id, signal) {
    this.id = id;
    this.state = "";
    this.numPages = 1;
    this.summary = h("p", { class: "summary" });
    this.records = new Records("Messages of a webhook", () => this.#read(), signal);
  }

  elements() {
    const back = h("a", { href: "#/webhooks" }, "Webhooks");
    const crumbs = h("p", { class: "crumbs" }, back, " / ", h("span", { class: "mono" }, this.id));
    const { heading, notice, list } = this.records;
    heading.append(h("span", { class: "actions" }, this.#filter(), this.#replayButton()));
    return [crumbs, heading, this.summary, notice, list];
  }

  #filter() {
    const change = (/** @type {Event} */ event) => {
      this.state = fieldValue(event);
      this.numPages = 1;
      this.records.refresh();
    };
    const options = ["", ...Object.keys(LOOKS)].map((state) => h("option", { value: state }, state || "all messages"));
    return h("select", { "aria-label": "State of the messages", change }, options);
  }

  #replayButton() {
    const click = () =>
      this.records.act(async () => {
        const { replayed } = await replayDead(this.id);
        alert(`${plural(replayed, "message")} will be sent again.`);
      });
    return h("button", { type: "button", click }, "Send dead ones again");
  }

  async #read() {
    const webhook = await getWebhook(this.id);
    replace(this.summary, webhookChip(webhook), ` ${webhook.url} `, webhook.disabled_reason);
    /** @type {Delivery[]} */
    const found = [];
    /** @type {number | null} */
    let cursor = null;
    for (let page = 0; page < this.numPages; page++) {
      /** @type {DeliveryPage} */
      const { data, next_cursor: next } = await listDeliveries(this.id, this.state, cursor);
      found.push(...data);
      cursor = next ?? null;
      if (cursor === null) break;
    }
    if (!found.length) return [h("div", { class: "empty" }, h("h2", {}, "No messages"))];
    const rows = found.map((one) => this.#row(one));
    const table = h("table", { class: "records deliveries" }, tableHead(COLUMNS), h("tbody", {}, rows));
    return cursor === null ? [table] : [table, h("div", { class: "more" }, this.#older())];
  }

  #older() {
    const click = () => {
      this.numPages += 1;
      this.records.refresh();
    };
    return h("button", { type: "button", "data-key": "more", click }, "Older messages");
  }

  /** @param {Delivery} one */
  #row(one) {
    const again = () => this.records.act(() => replayDelivery(this.id, one.id));
    return h(
      "tr",
      {},
      h("td", {}, h("span", { class: "chip", "data-state": LOOKS[one.state] }, one.state)),
      h("td", { class: "main" }, h("b", {}, one.type), h("small", { class: "mono" }, one.message_id)),
      h("td", { "data-head": "Job" }, h("a", { class: "mono", href: `#/jobs/${one.job_id}` }, one.job_id)),
      h("td", { "data-head": "Tries" }, String(one.tries)),
      h("td", { "data-head": "Last answer" }, answer(one)),
      h("td", { "data-head": "Next try" }, one.next_at ? clock(one.next_at) : dash),
      h("td", { "data-head": "Made" }, h("time", { datetime: one.created_at }, age(one.created_at))),
      h("td", { class: "actions" }, rowButton(String(one.id), "Send again", again)),
    );
  }
}

/** @param {Delivery} one */
function answer({ status, error }) {
  if (error) return h("span", { class: "bad" }, error);
  return status ? String(status) : dash;
}
