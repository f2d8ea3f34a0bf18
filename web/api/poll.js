// Follows one address: asks again and again, and reports an answer only when it has changed.

import { ApiError, request } from "./request.js";

const RETRY_MILLISECONDS = 3000;

/**
 * @template Body
 * @typedef {object} Polling
 * @property {AbortSignal} signal ends the polling
 * @property {number} [longPollSeconds] how long the server may wait for a change
 * @property {() => number} pause milliseconds until the next request
 * @property {(data: Body) => void} onChange receives each new answer
 * @property {(error: unknown) => void} onStatus receives null after a success, else the error
 */

/**
 * Polls until the signal is aborted or the address does not exist.
 * @template Body
 * @param {string} path
 * @param {Polling<Body>} polling
 */
export async function poll(path, polling) {
  const { signal, pause, onStatus } = polling;
  /** @type {string | null} */
  let etag = null;
  while (!signal.aborted) {
    try {
      etag = await askOnce(path, etag, polling);
      onStatus(null);
      await sleep(pause(), signal);
    } catch (error) {
      if (signal.aborted) return;
      onStatus(error);
      if (error instanceof ApiError && [401, 404].includes(error.status)) return;
      await sleep(RETRY_MILLISECONDS, signal);
    }
  }
}

/**
 * @template Body
 * @param {string} path
 * @param {string | null} etag of the answer before
 * @param {Polling<Body>} polling
 * @returns {Promise<string | null>} the ETag of the latest answer
 */
async function askOnce(path, etag, { signal, longPollSeconds, onChange }) {
  /** @type {Record<string, string>} */
  const headers = {};
  if (etag) headers["If-None-Match"] = etag;
  if (etag && longPollSeconds) headers.Prefer = `wait=${longPollSeconds}`;
  const answer = await request(path, { headers, signal });
  if (answer.status === 304) return etag;
  onChange(answer.data);
  return answer.headers.get("ETag");
}

/**
 * Resolves after the time, or as soon as the signal is aborted.
 * @param {number} milliseconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    signal?.addEventListener("abort", end, { once: true });
  });
}
