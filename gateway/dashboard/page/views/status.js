/** A status or phase as an icon and a word, never by colour alone. */

import { html } from "../vendor/lit-html/lit-html.js";
import { text } from "../format.js";

const MARKS = {
  resolved: ["✓", "good"],
  rejected: ["✕", "bad"],
  canceled: ["⊘", "quiet"],
  timedout: ["⊖", "bad"],
  pending: ["…", "calm"],
  scheduled: ["◷", "calm"],
  queued: ["☰", "calm"],
  running: ["▶", "busy"],
  retrying: ["↻", "warn"],
  waiting: ["‖", "calm"],
  recovering: ["⇢", "warn"],
  blocked: ["⊗", "bad"],
};

const WORDS = { timedout: "timed out" };

/** The status with its icon; `known` is a phase, or a status where there is no phase. */
export function badge(known) {
  const [icon, tone] = MARKS[known] ?? ["?", "calm"];
  return html`<span class="badge" data-tone=${tone}><span aria-hidden="true">${icon}</span> ${WORDS[known] ?? text(known)}</span>`;
}

export const STATUSES = ["pending", "resolved", "rejected", "canceled", "timedout"];
export const PHASES = ["scheduled", "queued", "running", "retrying", "waiting", "recovering", "blocked"];
