// The event stream of one job. The browser reconnects by itself; events that come twice are dropped by their number.

/** @import { JobEvent } from "./types.js" */

const KINDS = ["state", "phase", "resolved", "warning", "checkpoint", "artifact", "log"];

export class JobEvents {
  /**
   * @param {string} id of the job
   * @param {(event: JobEvent) => void} onEvent receives each event once
   */
  constructor(id, onEvent) {
    /** @type {JobEvent[]} */
    this.seen = [];
    this.id = id;
    this.onEvent = onEvent;
    /** @type {EventSource | null} */
    this.source = null;
  }

  /** Starts listening, unless the stream is already open. */
  open() {
    if (this.source && this.source.readyState !== EventSource.CLOSED) return;
    this.source = new EventSource(`/v1/jobs/${this.id}/events?after=${this.#lastNumber()}`);
    for (const kind of KINDS) this.source.addEventListener(kind, (message) => this.#receive(message.data));
  }

  close() {
    this.source?.close();
  }

  /** @param {string} text */
  #receive(text) {
    /** @type {JobEvent} */
    const event = JSON.parse(text);
    if (event.seq <= this.#lastNumber()) return;
    this.seen.push(event);
    this.onEvent(event);
  }

  #lastNumber() {
    return this.seen.at(-1)?.seq ?? 0;
  }
}
