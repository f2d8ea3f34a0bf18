// Requests to the API. An answer of type problem+json becomes an ApiError with everything it contains.

/** @import { Problem } from "./types.js" */

/**
 * @template Body
 * @typedef {object} Answer
 * @property {number} status
 * @property {Body} data
 * @property {Headers} headers
 */

/**
 * @typedef {object} RequestOptions
 * @property {string} [method]
 * @property {string | Blob} [body] JSON text, or bytes whose type is among the headers
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 */

/** The event of the window that says: the service does not know who asks. */
export const SIGNED_OUT = "signed-out";

export class ApiError extends Error {
  /**
   * @param {Partial<Problem>} problem
   * @param {number} status
   */
  constructor(problem, status) {
    super(problem.detail || `the server answered ${status}`);
    this.code = problem.code || "UNREACHABLE";
    this.errors = problem.errors || [];
    this.status = status;
  }
}

/**
 * One request. A 304 has null as its data; a status of 400 or more is thrown as ApiError.
 * @template [Body=any]
 * @param {string} path
 * @param {RequestOptions} [options]
 * @returns {Promise<Answer<Body>>}
 */
export async function request(path, { method = "GET", body, headers = {}, signal } = {}) {
  /** @type {Record<string, string>} */
  const contentType = typeof body === "string" ? { "Content-Type": "application/json" } : {};
  const response = await fetch(path, { method, signal, body, headers: { ...contentType, ...headers } });
  const data = await jsonOf(response);
  if (response.status === 401) dispatchEvent(new Event(SIGNED_OUT));
  if (!response.ok && response.status !== 304) throw new ApiError(data || {}, response.status);
  return { status: response.status, data, headers: response.headers };
}

/** @param {Response} response */
async function jsonOf(response) {
  const text = await response.text();
  const isJson = (response.headers.get("Content-Type") || "").includes("json");
  return text && isJson ? JSON.parse(text) : null;
}

/**
 * A sentence about a failed request, for the person at the screen.
 * @param {unknown} error
 */
export function describeError(error) {
  return error instanceof ApiError ? error.message : "The server cannot be reached. Trying again.";
}
