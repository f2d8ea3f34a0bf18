// Who is signed in, and signing in and out. The session is in a cookie that no script can read.

/** @import { Session, SignIn } from "./types.js" */

import { ApiError, request } from "./request.js";

/**
 * Who is signed in; null where nobody is.
 * @returns {Promise<Session | null>}
 */
export async function currentSession() {
  try {
    return (await request("/v1/session")).data;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

/**
 * The ways to sign in that the service offers.
 * @returns {Promise<SignIn>}
 */
export async function waysToSignIn() {
  return (await request("/v1/sign-in")).data;
}

/**
 * Signs in with an API key, or with the code of a link that signs in once.
 * @param {{ key: string } | { code: string }} credentials
 * @returns {Promise<Session>}
 */
export async function signIn(credentials) {
  return (await request("/v1/session", { method: "POST", body: JSON.stringify(credentials) })).data;
}

export async function signOut() {
  await request("/v1/session", { method: "DELETE" });
}
