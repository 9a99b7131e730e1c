/** The steps of an execution: a table whose last column is a time line, coloured by worker. */

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { clock, counted, duration, milliseconds, text } from "../format.js";
import { badge } from "./status.js";

/** Steps that are listed, the newest ones. */
const MOST = 200;

/** Colours of workers, which repeat; the worker's name stands beside each. */
const COLOURS = 6;

export function steps(state, now) {
  const all = state.steps ?? [];
  if (!all.length) return html`<p class="quiet">No step has begun yet. A step is shown once it has run for 50 ms or has ended.</p>`;
  const shown = all.slice(-MOST);
  const from = milliseconds(shown[0].started);
  const until = Math.max(from + 1, state.done ? lastEnd(shown, state) : now);
  const workers = [...new Set(shown.map((step) => step.worker))];
  return html`
    ${all.length > shown.length ? html`<p class="quiet">The newest ${shown.length} of ${counted(all.length, "step")}.</p>` : nothing}
    <table class="steps-table">
      <thead><tr><th scope="col">Step</th><th scope="col">Status</th><th scope="col">Worker</th>
        <th scope="col">Took</th><th scope="col" class="line-head">Time line</th></tr></thead>
      <tbody>${shown.map((step) => row(step, { from, until, now, workers, state }))}</tbody>
    </table>`;
}

function lastEnd(shown, state) {
  const ends = shown.map((step) => milliseconds(step.ended)).filter(Number.isFinite);
  return Math.max(milliseconds(state.completed_at) || 0, ...ends);
}

function row(step, { from, until, now, workers, state }) {
  const started = milliseconds(step.started);
  const ended = step.ended ? milliseconds(step.ended) : state.done ? until : now;
  const left = ((started - from) / (until - from)) * 100;
  const width = Math.max(0.4, ((ended - started) / (until - from)) * 100);
  const child = step.worker === null;
  const colour = child ? "child" : workers.indexOf(step.worker) % COLOURS;
  return html`<tr>
    <th scope="row"><bdi>${text(step.name)}</bdi>${child ? html` <small>child</small>` : nothing}</th>
    <td data-label="Status">${badge(stepStatus(step, state))}${step.tries
      ? html` <small>${counted(step.tries, "failed try", "failed tries")}, last with <bdi>${text(step.last_error?.type ?? "an error")}</bdi></small>`
      : nothing}</td>
    <td data-label="Worker">${child
      ? "its own"
      : html`<span class="dot" data-colour=${colour} aria-hidden="true"></span> <bdi>${text(step.worker)}</bdi>`}</td>
    <td data-label="Took"><time title=${clock(started, now)}>${duration(ended - started)}</time></td>
    <td class="line" aria-hidden="true"><span data-colour=${colour} ?data-open=${!step.ended && !state.done}
      .style=${`left:${Math.min(left, 99.6)}%;width:${Math.min(width, 100 - Math.min(left, 99.6))}%`}></span></td>
  </tr>`;
}

function stepStatus(step, state) {
  if (step.status !== "pending") return step.status;
  if (state.done) return "canceled";
  return step.tries ? "retrying" : state.phase === "recovering" ? "recovering" : "running";
}
