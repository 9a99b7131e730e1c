/** The newest snapshot of the service: by a stream, by polling where no stream can be had. */

import { Problem, state } from "./api.js";
import { events } from "./sse.js";

/** Milliseconds between two polls, which grow while the gateway does not answer. */
const POLL = { first: 2_000, longest: 15_000 };

/** Milliseconds without a stream after which one is asked for again. */
const STREAM_AGAIN = 20_000;

/**
 * Follows the service while the tab can be seen.
 *
 * `mode` is "connecting", "stream", "polling", "away", "signed out" or "paused"; `changed` is called
 * after each change of it, and of `snapshot`.
 */
export class Live {
  constructor(changed) {
    this.snapshot = null;
    this.mode = "connecting";
    this.problem = null;
    this._changed = changed;
    this._abort = null;
    this._ahead = [];
    this._streams = true;
  }

  /** The time by the gateway's clock, in milliseconds since the epoch. */
  now() {
    return Date.now() + (this._ahead.length ? Math.max(...this._ahead) : 0);
  }

  /** Begin now, and again whenever the tab is shown. */
  start() {
    // Whoever has to sign in has to also when the tab is shown again, and keeps what was typed.
    document.addEventListener("visibilitychange", () => this.mode === "signed out" || this.resume());
    this.resume();
  }

  /** Follow, or stop while nobody can see the page; also after a sign-in. */
  resume() {
    this._abort?.abort();
    this._abort = null;
    if (document.hidden) {
      this._set("paused");
      return;
    }
    this._abort = new AbortController();
    this._follow(this._abort.signal);
  }

  /**
   * Begin to follow by a stream, or by polls alone. A browser has six connections to a gateway for all
   * its windows together, and one that shows an execution has a stream for that already.
   */
  show(streams) {
    const goesOn = streams && this._streams;
    this._streams = streams;
    if (!goesOn && this._abort && this.mode !== "signed out") this.resume();
  }

  async _follow(signal) {
    let pause = POLL.first;
    let nextStream = 0;
    while (!signal.aborted) {
      try {
        if (this._streams && Date.now() >= nextStream) {
          nextStream = Date.now() + STREAM_AGAIN;
          if (await this._stream(signal)) nextStream = 0;
        }
        if (signal.aborted) return;
        this._take(await state(signal), "polling");
        pause = POLL.first;
      } catch (error) {
        if (signal.aborted) return;
        if (this._refused(error)) return;
        pause = Math.min(pause * 1.6, POLL.longest);
        // A gateway that is back is asked for a stream at once.
        nextStream = 0;
      }
      await elapsed(pause, signal);
    }
  }

  /** Read the stream to its end; return whether it has told anything. */
  async _stream(signal) {
    let told = false;
    try {
      for await (const { event, data } of events("/dashboard/live", signal)) {
        if (event !== "state") continue;
        this._take(JSON.parse(data), "stream");
        told = true;
      }
    } catch (error) {
      if (error instanceof Problem && error.status === 401) throw error;
    }
    return told;
  }

  _refused(error) {
    this.problem = error instanceof Problem ? error : new Problem(0, null);
    this._set(this.problem.status === 401 ? "signed out" : "away");
    return this.problem.status === 401;
  }

  _take(snapshot, mode) {
    this.snapshot = snapshot;
    this.problem = null;
    if (Number.isFinite(snapshot.at)) {
      this._ahead = [...this._ahead.slice(-20), snapshot.at - Date.now()];
    }
    this.mode = mode;
    this._changed();
  }

  _set(mode) {
    this.mode = mode;
    this._changed();
  }
}

/** Resolve after a time, or at once when the signal aborts. */
export function elapsed(pause, signal) {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end); // The signal lasts as long as the page is open.
      resolve();
    };
    const timer = setTimeout(end, pause);
    signal.addEventListener("abort", end);
  });
}
