// API keys and webhooks: what the pages of both ask of the API.

/** @import { Key, KeyPage, KeyWithSecret, Webhook, WebhookList, WebhookWithSecret, DeliveryPage } from "./types.js" */

import { request } from "./request.js";

const PAGE_SIZE = 100;

/**
 * @param {string} path
 * @param {unknown} [body]
 * @param {string} [method]
 */
async function send(path, body, method = "POST") {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return (await request(path, { method, body: text })).data;
}

/**
 * @param {string | null} after `next_cursor` of the page before
 * @returns {Promise<KeyPage>}
 */
export async function listKeys(after) {
  const cursor = after ? `&after=${encodeURIComponent(after)}` : "";
  return (await request(`/v1/keys?limit=${PAGE_SIZE}${cursor}`)).data;
}

/**
 * @param {{ name: string, scope: string, tenant: string, expires_in_days: number | null }} wanted
 * @returns {Promise<KeyWithSecret>}
 */
export function createKey(wanted) {
  return send("/v1/keys", wanted);
}

/**
 * @param {string} id
 * @param {number} overlapSeconds for so long the text before is accepted too
 * @returns {Promise<KeyWithSecret>}
 */
export function rotateKey(id, overlapSeconds) {
  return send(`/v1/keys/${id}/rotate`, { overlap_seconds: overlapSeconds });
}

/**
 * @param {string} id
 * @returns {Promise<Key>}
 */
export function revokeKey(id) {
  return send(`/v1/keys/${id}`, undefined, "DELETE");
}

/** @returns {Promise<WebhookList>} */
export async function listWebhooks() {
  return (await request("/v1/webhooks")).data;
}

/**
 * @param {string} id
 * @returns {Promise<Webhook>}
 */
export async function getWebhook(id) {
  return (await request(`/v1/webhooks/${id}`)).data;
}

/**
 * @param {{ url: string, events: string[], description: string }} wanted
 * @returns {Promise<WebhookWithSecret>}
 */
export function createWebhook(wanted) {
  return send("/v1/webhooks", wanted);
}

/**
 * @param {string} id
 * @param {boolean} enabled
 * @returns {Promise<Webhook>}
 */
export function enableWebhook(id, enabled) {
  return send(`/v1/webhooks/${id}`, { enabled }, "PATCH");
}

/**
 * @param {string} id
 * @returns {Promise<WebhookWithSecret>}
 */
export function rotateWebhook(id) {
  return send(`/v1/webhooks/${id}/rotate`);
}

/** @param {string} id */
export function deleteWebhook(id) {
  return send(`/v1/webhooks/${id}`, undefined, "DELETE");
}

/**
 * @param {string} id of the webhook
 * @param {string} state of the messages; empty: all
 * @param {number | null} after `next_cursor` of the page before
 * @returns {Promise<DeliveryPage>}
 */
export async function listDeliveries(id, state, after) {
  const query = new URLSearchParams({ limit: String(PAGE_SIZE) });
  if (state) query.set("state", state);
  if (after !== null) query.set("after", String(after));
  return (await request(`/v1/webhooks/${id}/deliveries?${query}`)).data;
}

/**
 * @param {string} id of the webhook
 * @param {number} delivery
 */
export function replayDelivery(id, delivery) {
  return send(`/v1/webhooks/${id}/deliveries/${delivery}/replay`);
}

/**
 * @param {string} id
 * @returns {Promise<{ replayed: number }>}
 */
export function replayDead(id) {
  return send(`/v1/webhooks/${id}/replay`);
}
