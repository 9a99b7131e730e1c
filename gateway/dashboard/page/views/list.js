/** The list of executions: filters, pages, and what the lanes know meanwhile. */

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { list } from "../data/api.js";
import { clock, duration, encoded, milliseconds, relative, text } from "../format.js";
import { PHASES, STATUSES, badge } from "./status.js";
import { command, problem } from "./values.js";

const PAGE = 50;

/** Requests for one page, of which each looks at a part of all executions only. */
const MOST_REQUESTS = 5;

/** Milliseconds between two reads of the newest page: where something has happened, and where nothing is told. */
const EVERY = { least: 5_000, most: 15_000 };

const FILTERS = ["status", "phase", "function", "version", "prefix"];

/** Return those filters that have a value; a version is one of a function. */
export function filters(value) {
  const given = FILTERS.map((name) => [name, String(value(name) ?? "").trim()]).filter(([, text]) => text);
  const found = Object.fromEntries(given);
  if (!found.function) delete found.version;
  return found;
}

/** The section with the list. */
export class List {
  constructor(app) {
    this._app = app;
    this._filters = {};
    this._rows = null;
    this._next = null;
    this._before = [];
    this._cursor = null;
    this._problem = null;
    this._reading = false;
    this._readAt = 0;
    this._seen = "";
  }

  /** Show what these filters find; the same ones keep the page. */
  show(filters) {
    if (JSON.stringify(filters) === JSON.stringify(this._filters) && this._rows) return;
    this._filters = filters;
    this._go(null, []);
  }

  /** Read the newest page again, sooner if something has happened; any page if it could not be read. */
  refresh(snapshot) {
    // Where many end at once the counts stay the same: the newest ones all are done.
    const seen = JSON.stringify([snapshot.counts, snapshot.recoveries?.count, snapshot.begins_per_second]);
    const pause = this._problem || seen !== this._seen ? EVERY.least : EVERY.most;
    if (this._reading || Date.now() - this._readAt <= pause) return;
    if (this._cursor === null || this._problem) this._read(seen);
  }

  _go(cursor, before) {
    this._cursor = cursor;
    this._before = before;
    this._read();
  }

  async _read(seen = this._seen) {
    const asked = { filters: this._filters, cursor: this._cursor };
    const same = () => asked.filters === this._filters && asked.cursor === this._cursor;
    this._reading = true;
    this._readAt = Date.now();
    try {
      const { items, next } = await page(asked.filters, asked.cursor);
      if (!same()) return;
      this._rows = items;
      this._next = next;
      this._problem = null;
      this._seen = seen;
    } catch (error) {
      if (same()) this._problem = error;
    } finally {
      if (same()) this._reading = false;
      this._app.changed();
    }
  }

  template(snapshot, now) {
    return html`
      <section class="list" aria-labelledby="list-heading">
        <h2 id="list-heading">Executions</h2>
        ${this._form()} ${problem(this._problem)}
        ${this._rows?.length ? this._table(snapshot, now) : this._none()} ${this._pages()}
      </section>
    `;
  }

  _form() {
    const { status, phase, function: name, version, prefix } = this._filters;
    const options = (known, chosen) => html`<option value="">any</option>
      ${known.map((each) => html`<option .selected=${each === chosen}>${each}</option>`)}`;
    const names = [...(this._app.functions?.names ?? [])];
    if (name && !names.includes(name)) names.push(name);
    return html`<form class="filters" aria-label="Filters" @change=${this._filter} @submit=${this._filter}>
      <label>Status <select name="status">${options(STATUSES, status)}</select></label>
      <label>Phase <select name="phase">${options(PHASES, phase)}</select></label>
      <label>Function <select name="function">${options(names, name)}</select></label>
      <label>Version <input name="version" inputmode="numeric" pattern="[0-9]{1,7}" size="4"
        .value=${version ?? ""} ?disabled=${!name}></label>
      <label>Id begins with <input name="prefix" size="16" autocomplete="off" spellcheck="false"
        maxlength="128" .value=${prefix ?? ""}></label>
      ${FILTERS.some((each) => this._filters[each]) ? html`<a href="#/">Clear</a>` : nothing}
    </form>`;
  }

  _filter = (event) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const chosen = Object.entries(filters((name) => given.get(name)));
    this._app.go(`/?${chosen.map(([name, value]) => `${name}=${encoded(value)}`).join("&")}`);
  };

  _table(snapshot, now) {
    const held = holders(snapshot);
    return html`<table>
      <thead>
        <tr><th scope="col">Id</th><th scope="col">Function</th><th scope="col">Status</th>
        <th scope="col">Worker</th><th scope="col">Begun</th><th scope="col">Took</th></tr>
      </thead>
      <tbody>
        ${repeat(this._rows, (item) => item.id, (item) => row(item, held.get(item.id), now))}
      </tbody>
    </table>`;
  }

  _none() {
    if (this._rows === null) return html`<p class="quiet">${this._problem ? nothing : "Reading…"}</p>`;
    if (FILTERS.some((each) => this._filters[each])) {
      return html`<p class="quiet">No execution ${this._next ? "among those that were looked at " : ""}fits these filters.</p>`;
    }
    return html`<div class="empty"><h3>Nothing has been begun yet</h3>
      <p>Begin the first execution <a href="#/begin">from this page</a>, or from a shell:</p>
      ${command(this._app.curl(`/begin?id=job-1`, { method: "POST", body: '{"foo":"bar"}' }))}</div>`;
  }

  _pages() {
    if (!this._before.length && !this._next) return nothing;
    const older = () => this._go(this._next, [...this._before, this._cursor]);
    const newer = () => this._go(this._before.at(-1), this._before.slice(0, -1));
    return html`<nav class="pages" aria-label="Pages of the list">
      <button type="button" ?disabled=${!this._before.length} @click=${newer}>← Newer</button>
      <span>Page ${this._before.length + 1}</span>
      <button type="button" ?disabled=${!this._next} @click=${older}>Older →</button>
    </nav>`;
  }
}

/** Read a page. One that is short goes on with the next, which the gateway has not looked at yet. */
async function page(filters, cursor) {
  const found = [];
  let next = cursor;
  for (let request = 0; request < MOST_REQUESTS; request += 1) {
    const answer = await list({ ...filters, limit: PAGE - found.length, cursor: next });
    found.push(...answer.items);
    next = answer.next_cursor;
    if (next === null || found.length >= PAGE) break;
  }
  return { items: found, next };
}

/** Which worker holds each execution now, by the lanes. */
function holders(snapshot) {
  const held = new Map();
  for (const worker of snapshot?.workers ?? []) {
    for (const bar of worker.bars ?? []) {
      if (bar.state === "running" || bar.state === "retrying") held.set(bar.id, { worker: worker.name, phase: bar.state });
    }
  }
  return held;
}

function row(item, held, now) {
  const known = item.status === "pending" ? { ...item, ...held } : item;
  const created = milliseconds(item.created_at);
  const ended = milliseconds(item.completed_at);
  return html`<tr>
    <th scope="row"><a class="id" href=${`#${encoded(item.id)}`}><bdi>${text(item.id)}</bdi></a></th>
    <td data-label="Function"><bdi>${text(item.function)}</bdi>${item.version ? html` <small>v${item.version}</small>` : nothing}</td>
    <td data-label="Status">${badge(known.status === "pending" ? (known.phase ?? "pending") : known.status)}
      ${known.attempt > 1 ? html`<small class="again">recovered</small>` : nothing}</td>
    <td data-label="Worker"><bdi>${known.worker ? text(known.worker) : "–"}</bdi></td>
    <td data-label="Begun"><time title=${clock(created, now)}>${relative(created, now)}</time></td>
    <td data-label="Took">${duration((ended || now) - created)}</td>
  </tr>`;
}
