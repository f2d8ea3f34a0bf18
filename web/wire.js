// Talking to the API. A problem+json becomes an Error with all that it says.

export class Problem extends Error {
  constructor(document, status) {
    super(document.detail || `the server answered ${status}`);
    this.code = document.code || "UNREACHABLE";
    this.errors = document.errors || [];
    this.status = status;
  }
}

export async function request(path, { method = "GET", body, headers = {}, signal } = {}) {
  const sent = body === undefined ? {} : { body, headers: { "Content-Type": "application/json" } };
  const response = await fetch(path, { method, signal, ...sent, headers: { ...sent.headers, ...headers } });
  if (response.status === 304) return { status: 304, data: null, response };
  const text = await response.text();
  const data = text && /json/.test(response.headers.get("Content-Type") || "") ? JSON.parse(text) : null;
  if (!response.ok) throw new Problem(data || {}, response.status);
  return { status: response.status, data, response };
}

// Asks again and again until `signal` ends it, tells `take` of each change, and `fail` of each failure.
export async function follow(path, { wait, pause, signal, take, fail }) {
  let etag = null;
  while (!signal.aborted) {
    try {
      const headers = {};
      if (etag) headers["If-None-Match"] = etag;
      if (etag && wait) headers.Prefer = `wait=${wait}`;
      const { status, data, response } = await request(path, { headers, signal });
      if (status !== 304) {
        etag = response.headers.get("ETag");
        take(data);
      }
      fail(null);
      await sleep(pause(data), signal);
    } catch (error) {
      if (signal.aborted) return;
      fail(error);
      if (error.status === 404) return;
      await sleep(3000, signal);
    }
  }
}

export function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

export function complaint(error) {
  return error instanceof Problem ? error.message : "The server cannot be reached. Trying again.";
}
