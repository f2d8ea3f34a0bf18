// Uploads by the tus protocol (1.0.0): in parts, and on from where the connection broke.

/** @import { UploadedDataset } from "./types.js" */

import { ApiError, request } from "./request.js";

const PART_BYTES = 8 << 20;
const FRUITLESS_TRIES = 8;

/**
 * @typedef {object} Upload
 * @property {Blob} content
 * @property {string} filename
 * @property {string} name for people
 * @property {(sent: number) => void} onProgress
 * @property {AbortSignal} signal
 */

/**
 * Sends a file and returns the dataset that it has become.
 * @param {Upload} upload
 * @returns {Promise<UploadedDataset>}
 */
export async function upload({ content, filename, name, onProgress, signal }) {
  const headers = {
    "Upload-Length": String(content.size),
    "Upload-Metadata": `filename ${base64(filename)},name ${base64(name)}`,
  };
  const { data: begun } = await request("/v1/datasets", { method: "POST", headers, signal });
  const place = `/v1/datasets/${begun.id}`;
  let [offset, fruitless] = [0, 0];
  while (offset < content.size) {
    const before = offset;
    try {
      offset = await sendPart(place, content, offset, signal);
      fruitless = 0;
    } catch (error) {
      if (signal.aborted || !mayPass(error) || ++fruitless > FRUITLESS_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250 * 2 ** fruitless));
      offset = await storedBytes(place, signal).catch(() => before);
    }
    onProgress(offset);
  }
  return finished(place, content.size, signal);
}

/**
 * Gives an upload up: what was sent of it is removed.
 * @param {string} id
 */
export function removeDataset(id) {
  return request(`/v1/datasets/${id}`, { method: "DELETE" });
}

/**
 * The bytes that are there after the next part.
 * @param {string} place
 * @param {Blob} content
 * @param {number} offset
 * @param {AbortSignal} signal
 */
async function sendPart(place, content, offset, signal) {
  const headers = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(offset) };
  const body = content.slice(offset, offset + PART_BYTES);
  const answer = await request(place, { method: "PATCH", body, headers, signal });
  return Number(answer.headers.get("Upload-Offset"));
}

/**
 * @param {string} place
 * @param {AbortSignal} signal
 */
async function storedBytes(place, signal) {
  const { data } = await request(place, { signal });
  return /** @type {number} */ (data.received_bytes);
}

/**
 * The dataset; where the service lost the moment after the last byte, it is asked once more to check them all.
 * @param {string} place
 * @param {number} size
 * @param {AbortSignal} signal
 */
async function finished(place, size, signal) {
  const { data } = await request(place, { signal });
  if (data.state === "ready") return data;
  await sendPart(place, new Blob([]), size, signal);
  return (await request(place, { signal })).data;
}

/** @param {unknown} error whether it may be gone a moment later */
function mayPass(error) {
  return !(error instanceof ApiError) || error.status >= 500 || [408, 409, 429].includes(error.status);
}

/** @param {string} text */
function base64(text) {
  return btoa(String.fromCodePoint(...new TextEncoder().encode(text)));
}
