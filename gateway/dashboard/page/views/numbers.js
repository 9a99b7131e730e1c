/** The numbers, each with its last two minutes as a line. */

import { html, nothing, svg } from "../vendor/lit-html/lit-html.js";
import { duration, encoded, number, relative, text } from "../format.js";

/** Milliseconds that a line shows, and those between two of its samples, at least. */
const SHOWN = 120_000;
const EVERY = 1_000;

const TILES = [
  { key: "running", label: "Running", link: "phase=running" },
  { key: "queued", label: "Queued", link: "phase=queued" },
  { key: "waiting", label: "Waiting", link: "phase=waiting" },
  { key: "retrying", label: "Retrying", link: "phase=retrying", tone: "warn" },
  { key: "recovering", label: "Recovering", link: "phase=recovering", tone: "warn" },
  { key: "blocked", label: "Blocked", link: "phase=blocked", tone: "bad" },
  { key: "rejected", label: "Failed", link: "status=rejected", tone: "bad" },
  { key: "timedout", label: "Timed out", link: "status=timedout", tone: "bad" },
  { key: "pending", label: "Pending", link: "status=pending" },
];

const RATES = [
  { key: "begins", label: "Begins/s", about: "Begins per second", show: (value) => number(value, 1) },
  { key: "p50", label: "Done p50", about: "From begin to done, median", show: time, of: timed },
  { key: "p99", label: "Done p99", about: "From begin to done, 99 of 100", show: time, of: timed },
];

function time(value) {
  return value === null ? "–" : duration(value);
}

/** Of how many executions a time is. */
function timed({ ended, oldest_at: oldest }, now) {
  return ended > 0 && Number.isFinite(oldest) ? `of ${number(ended)} in ${duration(now - oldest)}` : "of none";
}

/** The strip of numbers. */
export class Numbers {
  constructor() {
    this._samples = new Map();
    this._next = 0;
  }

  take(snapshot, now) {
    this._values = valuesOf(snapshot);
    if (now < this._next) return;
    this._next = now + EVERY;
    for (const [key, value] of Object.entries(this._values)) {
      const known = (this._samples.get(key) ?? []).filter(([time]) => now - time < SHOWN);
      this._samples.set(key, Number.isFinite(value) ? [...known, [now, value]] : known);
    }
  }

  template(snapshot, now) {
    if (!snapshot) return nothing;
    return html`
      <ul class="tiles" role="list">
        ${TILES.map((tile) => this._count(tile, now))}
        ${RATES.map((tile) => this._rate(tile, snapshot, now))}
        ${recoveries(snapshot.recoveries, now)}
      </ul>
      <p class="quiet">${snapshot.counts ? counting(snapshot, now) : "Executions have not been counted yet."}</p>
    `;
  }

  _count({ key, label, link, tone }, now) {
    const value = this._values[key];
    return html`<li class="tile" data-tone=${value > 0 && tone ? tone : "calm"}>
      <a href=${`#/?${link}`} @click=${showList}><span class="label">${label}</span>
      <span class="value" data-key=${key}>${number(value)}</span></a>${this._line(key, now)}
    </li>`;
  }

  _rate({ key, label, about, show, of }, snapshot, now) {
    return html`<li class="tile" data-tone="calm">
      <span class="label" title=${about}>${label}</span>
      <span class="value" data-key=${key}>${show(this._values[key])}</span>
      ${of ? html`<span class="last">${of(snapshot, now)}</span>` : nothing}${this._line(key, now)}
    </li>`;
  }

  /** The line of a number: each sample stands at its time, and the present value at the end of this second. */
  _line(key, now) {
    const known = (this._samples.get(key) ?? []).filter(([time]) => now - time < SHOWN);
    const end = Math.ceil(now / EVERY) * EVERY;
    const shown = Number.isFinite(this._values[key]) ? [...known, [end, this._values[key]]] : known;
    const most = Math.max(1e-9, ...shown.map(([, value]) => value));
    const x = (time) => Math.min(Math.max(0, 120 - (end - time) / 1000), 120).toFixed(1);
    const points = shown.map(([time, value]) => `${x(time)},${(19 - (value / most) * 17).toFixed(1)}`);
    return html`<svg class="spark" viewBox="0 0 120 20" preserveAspectRatio="none" aria-hidden="true">
      ${svg`<polyline points=${points.join(" ")}></polyline>`}</svg>`;
  }
}

function valuesOf(snapshot) {
  const counts = snapshot.counts ?? {};
  return {
    ...counts,
    begins: snapshot.begins_per_second ?? null,
    p50: snapshot.p50_ms ?? null,
    p99: snapshot.p99_ms ?? null,
  };
}

/** Show the list that a tile filters, which is below all lanes. */
function showList(event) {
  const isElsewhere = event.ctrlKey || event.metaKey || event.shiftKey;
  if (!isElsewhere) document.getElementById("list-heading")?.scrollIntoView();
}

function counting({ counts, ended, oldest_at: oldest }, now) {
  const begun = Number.isFinite(oldest) ? `, begun in the last ${duration(now - oldest)}` : "";
  const timed = ended > 0 ? ` Done is of the ${number(ended)} of them that were done in the last minute; what takes longer is not among them.` : "";
  return `Executions are counted among the newest ${number(counts.sample)}${begun}.${timed}`;
}

function recoveries(told, now) {
  const last = told?.last;
  return html`<li class="tile wide" data-tone="calm">
    <span class="label">Recoveries</span>
    <span class="value" data-key="recoveries">${number(told?.count)}</span>
    ${last
      ? html`<a class="last" href=${`#${encoded(last.id)}`}>last in ${time(seconds(last))},
          <bdi>${text(last.id)}</bdi>, ${relative(last.at, now)}</a>`
      : html`<span class="last">${told ? "none since this gateway started" : nothing}</span>`}
  </li>`;
}

function seconds(last) {
  return typeof last.seconds === "number" ? last.seconds * 1000 : null;
}

