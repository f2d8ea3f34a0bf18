// The methods that the server offers, read once.

/** @import { Method } from "../api/types.js" */

import { request } from "../api/request.js";

/** @typedef {Record<string, Method>} Catalogue */

/** @type {Promise<Catalogue> | null} */
let reading = null;

/**
 * All methods by name. After a failure the next call asks again.
 * @returns {Promise<Catalogue>}
 */
export function catalogue() {
  reading ??= readCatalogue();
  reading.catch(() => (reading = null));
  return reading;
}

async function readCatalogue() {
  const { data } = await request("/v1/methods");
  /** @type {Method[]} */
  const methods = data.data;
  return Object.fromEntries(methods.map((method) => [method.name, method]));
}
