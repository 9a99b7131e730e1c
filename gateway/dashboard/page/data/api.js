/** Calls of the gateway. The token lives in this module's memory and nowhere else. */

import { encoded, parsed } from "../format.js";

/** Milliseconds after which a request is given up; one for a snapshot, which nobody has to read, sooner. */
const LONGEST = 30_000;
const LONGEST_STATE = 10_000;

let token = "";

/** A call that was not answered as it should be; its message is fit for people. */
export class Problem extends Error {
  constructor(status, body) {
    super(words(status, body));
    this.status = status;
    this.kind = String(body?.type ?? "").split("/").pop();
    this.title = String(body?.title ?? "");
    this.faults = Array.isArray(body?.errors) ? body.errors : [];
  }
}

const ADVICE = {
  unauthorized: "Sign in with one of the gateway's tokens.",
  "backend-unavailable": "Try again in a moment.",
  "too-many-requests": "Try again in a moment.",
  overloaded: "Try again in a moment.",
  "id-reused": "Choose another id.",
  "value-lost": "The store has to be restored; asking again does not help.",
};

function words(status, body) {
  if (status === 0) return "The gateway does not answer. It may be restarting, or the network is down.";
  const detail = String(body?.detail ?? body?.title ?? `The gateway answered with status ${status}.`);
  const advice = ADVICE[String(body?.type ?? "").split("/").pop()];
  return advice ? `${detail} ${advice}` : detail;
}

/** Use this token from now on; an empty one signs out. */
export function useToken(given) {
  token = given;
}

export function hasToken() {
  return token !== "";
}

/** Make a request with the token, without a limit of time; raises `Problem`, with status 0 if nobody answers. */
export async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let response;
  try {
    response = await fetch(path, { cache: "no-cache", redirect: "error", ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, null);
  }
  if (!response.ok) throw new Problem(response.status, await bodyOf(response));
  return response;
}

async function bodyOf(response) {
  try {
    return JSON.parse(await response.text());
  } catch {
    return null;
  }
}

/** Return what `read` makes of an answer's text, all of which has to come within some milliseconds. */
async function whole(path, { read = parsed, within = LONGEST, signal, ...options } = {}) {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(new DOMException("no answer in time", "TimeoutError")), within);
  try {
    const ends = AbortSignal.any(signal ? [signal, limit.signal] : [limit.signal]);
    const response = await ask(path, { ...options, signal: ends });
    return read(await response.text());
  } catch (error) {
    if (error instanceof Problem || error.name === "AbortError") throw error;
    throw new Problem(0, null);
  } finally {
    clearTimeout(timer);
  }
}

function query(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value != null);
  return `${path}?${given.map(([name, value]) => `${name}=${encoded(value)}`).join("&")}`;
}

function posted(path, body) {
  const sent = body === "" ? {} : { body, headers: { "Content-Type": "application/json" } };
  return whole(path, { method: "POST", ...sent });
}

/** Paths, as the calls below and the lines for curl have them. */
export const paths = {
  wait: (id, include) => query("/wait", { id, include }).replaceAll("%2C", ","),
  events: (id) => query("/events", { id }),
  cancel: (id) => query("/cancel", { id }),
  signal: (id, name) => query("/signal", { id, name }),
  begin: (parameters) => query("/begin", parameters),
  list: (parameters) => query("/list", parameters),
};

export const state = (signal) => whole("/dashboard/state", { signal, within: LONGEST_STATE });
export const catalog = () => whole("/functions", { read: JSON.parse });
export const list = (parameters) => whole(paths.list(parameters));
export const wait = (id, include, signal) => whole(paths.wait(id, include), { signal });
export const begin = (parameters, body) => posted(paths.begin(parameters), body);
export const cancel = (id, reason) =>
  posted(paths.cancel(id), reason ? JSON.stringify({ reason }) : "");

/** Deliver a value, as JSON text. The key makes a repeat after a lost answer safe. */
export const signal = (id, name, value, key) =>
  whole(paths.signal(id, name), {
    method: "POST",
    body: value,
    headers: { "Content-Type": "application/json", "Idempotency-Key": key },
  });
