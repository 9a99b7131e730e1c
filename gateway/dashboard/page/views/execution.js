/** One execution: why it does not go on, its steps, its input and outcome, and what can be done. */

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { Problem, paths, wait } from "../data/api.js";
import { elapsed } from "../data/live.js";
import { events } from "../data/sse.js";
import { clock, duration, milliseconds, pretty, relative, text } from "../format.js";
import { Actions } from "./actions.js";
import { reason, waits } from "./reasons.js";
import { badge } from "./status.js";
import { steps } from "./steps.js";
import { command, json, lines, problem } from "./values.js";

/** Milliseconds between two reads while something happens, and while nothing is told. */
const READ = { least: 400, most: 3_000 };

/** The page of one execution, which is kept up to date while it is open. */
export class Execution {
  constructor(app, id) {
    this._app = app;
    this.id = id;
    this._state = null;
    this._input = undefined;
    this._problem = null;
    this._actions = new Actions(app, id, () => this._told?.());
  }

  get title() {
    return this.id;
  }

  /** Read it, and again at each of its events, until the page is left or the tab is hidden. */
  async start() {
    this.stop(); // A tab can be shown twice without having been hidden.
    this._abort = new AbortController();
    const { signal } = this._abort;
    this._listen(signal);
    while (!signal.aborted && !this._state?.done) {
      const news = new Promise((resolve) => (this._told = resolve));
      const began = Date.now();
      await this._read(signal);
      if (this._problem?.kind === "unknown-id" || this._problem?.status === 401) return;
      await Promise.race([news, elapsed(READ.most, signal)]);
      await elapsed(Math.max(0, READ.least - (Date.now() - began)), signal);
    }
  }

  stop() {
    this._abort?.abort();
  }

  async _read(signal) {
    try {
      const state = await wait(this.id, this._input === undefined ? "input,steps" : "steps", signal);
      if (signal.aborted) return;
      if ("input" in state) this._input = state.input;
      this._state = state;
      this._problem = null;
    } catch (error) {
      if (signal.aborted) return;
      this._problem = error instanceof Problem ? error : new Problem(0, null);
    }
    this._app.changed();
  }

  /** Events say when to read; what is shown is what /wait answers. */
  async _listen(signal) {
    let last = "";
    while (!signal.aborted && !this._state?.done) {
      try {
        const headers = last ? { "Last-Event-ID": last } : {};
        for await (const event of events(paths.events(this.id), signal, headers)) {
          last = event.id ?? last;
          this._told?.();
        }
      } catch (error) {
        if (error instanceof Problem && [401, 404].includes(error.status)) return;
      }
      this._told?.();
      await elapsed(READ.most, signal);
    }
  }

  template(snapshot, now) {
    const state = this._state;
    return html`
      <article class="execution" aria-labelledby="execution-heading">
        <p class="back"><a href="#/">← All executions</a></p>
        <h1 id="execution-heading" tabindex="-1"><bdi class="id">${text(this.id)}</bdi>
          ${state ? badge(state.done ? state.status : (state.phase ?? state.status)) : nothing}</h1>
        ${problem(this._problem)}
        ${state ? this._body(state, snapshot, now) : this._problem ? nothing : html`<p class="quiet">Reading…</p>`}
      </article>
    `;
  }

  _body(state, snapshot, now) {
    const told = reason(state, snapshot, now);
    const open = state.done ? [] : waits(state);
    return html`
      <section class="reason" data-kind=${state.done ? state.status : (state.phase ?? "pending")} aria-label="What it does">
        <h2>${told.title}</h2>
        <p class="sentence"><bdi>${told.sentence}</bdi></p>
        ${told.advice ? html`<p class="advice"><strong>What to do:</strong> <bdi>${told.advice}</bdi></p>` : nothing}
        ${this._actions.template(state, open)}
      </section>
      ${facts(state, now)}
      <section aria-labelledby="steps-heading"><h2 id="steps-heading">Steps</h2>${steps(state, now)}</section>
      ${this._values(state)} ${this._shell(state, open)}
    `;
  }

  _values(state) {
    const changed = () => this._app.changed();
    const outcome = "result" in state
      ? html`<section><h2>Result</h2>${json(`${this.id} result`, state.result, changed)}</section>`
      : state.error
        ? html`<section><h2>Error</h2><p><strong><bdi>${text(state.error.type)}</bdi></strong></p>
            ${lines(`${this.id} error`, state.error.message, changed)}</section>`
        : nothing;
    return html`<div class="values">
      <section><h2>Input</h2>${json(`${this.id} input`, this._input ?? null, changed)}</section>${outcome}</div>`;
  }

  _shell(state, open) {
    const waited = open.find((each) => each.kind === "signal");
    return html`<section class="shell"><h2>From a shell</h2>
      ${command(this._app.curl(`/wait?id=${this.id}&wait=20s`), state.done ? "Read how it ended" : "Wait until it ends")}
      ${state.done ? nothing : command(this._app.curl(`/events?id=${this.id}`, { stream: true }), "Follow its steps")}
      ${waited ? command(this._app.curl(paths.signal(this.id, waited.name), { method: "POST", body: "true" }), "Send the signal; true is an example") : nothing}
      ${state.done ? nothing : command(this._app.curl(paths.cancel(this.id), { method: "POST", body: '{"reason":"…"}' }), "Cancel it")}
      ${this._again(state)}</section>`;
  }

  /** The line that begins the same with a new id, if the input fits in a line. */
  _again(state) {
    const input = pretty(this._input ?? null);
    return this._input === undefined || input.length > 500
      ? nothing
      : command(this._app.curl(paths.begin({ function: state.function }), { method: "POST", body: JSON.stringify(this._input) }), "Begin another execution with the same input");
  }
}

/** Whether a worker holds the execution. */
function holds({ phase }) {
  return phase === "running" || phase === "retrying";
}

function facts(state, now) {
  const created = milliseconds(state.created_at);
  const completed = milliseconds(state.completed_at);
  const rows = [
    ["Function", `${text(state.function)}${state.version ? ` version ${state.version}` : ""}`],
    [holds(state) ? "Worker" : "Last worker", state.worker && `${text(state.worker)}${state.recovered_from ? `, took over from ${text(state.recovered_from)}` : ""}`],
    ["Attempt", state.attempt > 1 ? `${state.attempt}: its worker was lost ${state.attempt === 2 ? "once" : `${state.attempt - 1} times`}` : null],
    ["Begun", `${relative(created, now)}, at ${clock(created, now)}`],
    ["Ended", completed ? `${relative(completed, now)}, after ${duration(completed - created)}` : null],
    ["Deadline", state.done ? null : `${relative(milliseconds(state.timeout_at), now)}, at ${clock(milliseconds(state.timeout_at), now)}`],
  ].filter(([, value]) => value);
  const { progress } = state;
  return html`<dl class="about">
    ${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd><bdi>${value}</bdi></dd></div>`)}
    ${progress ? html`<div><dt>Progress</dt><dd><progress max=${progress.total || 1} .value=${Math.min(progress.done, progress.total || 1)} aria-label="Progress"></progress>
      ${progress.done} of ${progress.total}</dd></div>` : nothing}
  </dl>`;
}
