/** The lanes: one for each worker, its executions as bars on a time axis that moves. */

import { html, noChange, nothing, render } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { Bars, SPAN } from "../data/bars.js";
import { clock, counted, duration, encoded, number, text } from "../format.js";
import { drift, place, rebase } from "./axis.js";
import { arrows } from "./arrows.js";
import { Visible } from "./visible.js";

/** Pixels that a character of a name takes, and those around the name. */
const CHARACTER = 6.4;
const AROUND = 8;

/** Pixels from which on a name that is cut is worth showing. */
const WORTH = 44;

/** Rows up to which each bar has a line for its id above it, as it has where something was recovered. */
const ROOMY_ROWS = 5;

/** Pixels of the line that says how long a recovery took. */
const RECOVERED_ROOM = 140;

const STATES = {
  alive: ["●", "alive"],
  silent: ["◌", "silent"],
  dead: ["✕", "lost"],
  stopped: ["■", "stopped"],
};

/** Pixels that a lane is wide, as of the newest snapshot. */
let width = 1_000;

/** The section with all lanes; `changed` is called when others are to be drawn. */
export class Lanes {
  constructor(changed) {
    this._bars = new Bars();
    this._lanes = [];
    this._visible = new Visible(changed);
  }

  /** Take a snapshot; returns nothing, draws nothing. */
  take(snapshot, now) {
    rebase(now);
    this._now = now;
    // Asked for between two changes of the page, it would have all of it laid out each time.
    width = laneWidth();
    this._lanes = this._bars.take(snapshot, now, room(RECOVERED_ROOM));
    this._visible.renew(this._lanes.map((lane) => lane.key));
  }

  template(snapshot) {
    if (!snapshot) return html`<p class="quiet">Connecting…</p>`;
    if (snapshot.presence === "off") return presenceOff();
    if (!this._lanes.length) return noWorkers();
    const ways = this._visible.choose(this._lanes.map((lane) => lane.key));
    return html`
      <div class="lanes-box">
        <ul class="lanes" role="list" aria-label="Workers and what each runs" @keydown=${moveFocus}>
          ${repeat(this._lanes, (lane) => lane.key, (lane) => this._lane(lane, ways.get(lane.key)))}
        </ul>
        <div class="overlay" aria-hidden="true"><div class="moving"></div></div>
      </div>
      ${axis()}
      ${snapshot.bars_left_out > 0
        ? html`<p class="quiet">${counted(snapshot.bars_left_out, "more execution")} not drawn.</p>`
        : nothing}
      ${snapshot.workers_left_out > 0
        ? html`<p class="quiet">${counted(snapshot.workers_left_out, "more worker")} not shown.</p>`
        : nothing}
    `;
  }

  /** After the template is on the page: move the axis, and join what was recovered. */
  drawn(root, now) {
    this._visible.follow(root.querySelectorAll(".lane"));
    for (const moving of root.querySelectorAll(".moving")) drift(moving, now);
    const overlay = root.querySelector(".overlay .moving");
    if (overlay) render(arrows(root, this._bars, this._lanes), overlay);
  }

  _lane(lane, way) {
    if (way === "as it is") return noChange;
    const { worker } = lane;
    const [icon, word] = STATES[worker.state] ?? ["?", text(worker.state)];
    const bars = [...lane.bars.values()].sort((one, other) => one.claimed_at - other.claimed_at);
    const stop = bars.findLast((bar) => bar.ended_at === null) ?? bars.at(-1);
    return html`<li class="lane" data-state=${worker.state} data-key=${lane.key}>
      <div class="worker">
        <h3><span class="state" aria-hidden="true">${icon}</span> <bdi>${text(worker.name)}</bdi></h3>
        <p class="facts">
          <span class="word">${word}${worker.ended_at ? html` at ${clock(worker.ended_at)}` : nothing}</span>
          ${worker.state === "dead" || worker.state === "stopped" ? nothing : slots(worker)}
        </p>
        <p class="serves" title=${served(worker)}><bdi>${served(worker)}</bdi></p>
      </div>
      <div class="track" ?data-dense=${lane.rows > ROOMY_ROWS && !bars.some((bar) => bar.recovered_from)} .style=${`--rows:${lane.rows}`}>
        <ol class="moving" role="list" aria-label=${`Executions of ${text(worker.name)}`}>
          ${repeat(way === "bare" ? [] : bars, (bar) => bar.name, (bar) => this._bar(bar, bar === stop))}
        </ol>
        ${lane.hidden ? html`<p class="hidden">${number(lane.hidden)} more</p>` : nothing}
      </div>
    </li>`;
  }

  _bar(bar, isTabStop) {
    const took = bar.recovered_from ? this._bars.recoveryTime(bar) : null;
    const where = place(bar.claimed_at, bar.ended_at);
    const words = said(bar, took);
    return html`<li class="bar" data-state=${bar.state} ?data-recovered=${Boolean(bar.recovered_from)}
        .style=${`left:${where.left}%;width:${where.width}%;--row:${bar.row}`}>
      <a href=${`#${encoded(bar.id)}`} tabindex=${isTabStop ? 0 : -1} aria-label=${words} title=${words}>
        <span class="steps" aria-hidden="true">
          ${(bar.segments ?? []).map((segment) => part(segment, bar, where))}
        </span>
        ${fits(bar.id, where.width) || bar.ended_at === null
          ? html`<span class="name" aria-hidden="true"><bdi>${text(bar.id)}</bdi></span>`
          : nothing}
        ${bar.recovered_from
          ? html`<span class="recovered" ?data-fresh=${this._now - bar.claimed_at < room(RECOVERED_ROOM)} aria-hidden="true">${recovered(took)}</span>`
          : nothing}
      </a>
    </li>`;
  }
}

function part(segment, bar, whole) {
  const { left, width: share } = place(segment.started_at, segment.ended_at ?? bar.ended_at);
  const inner = `left:${((left - whole.left) / whole.width) * 100}%;width:${(share / whole.width) * 100}%`;
  const shown = segment.ended_at ?? bar.ended_at;
  const named = shown === null || fits(segment.step, share);
  return html`<span class="step" ?data-again=${segment.again} ?data-open=${shown === null} .style=${inner}
    >${named ? html`<span><bdi>${segment.again ? "↻ " : ""}${text(segment.step)}</bdi></span>` : nothing}</span>`;
}

/** Whether a name, or a good part of it, has room in so many percent of a lane. */
function fits(name, percent) {
  const pixels = (percent / 100) * width;
  return pixels >= Math.min(WORTH, String(name).length * CHARACTER + AROUND);
}

/** About how wide the lanes are, without having anything laid out. */
function laneWidth() {
  return innerWidth <= 640 ? innerWidth - 50 : Math.min(innerWidth, 1520) - 290;
}

/** The time that so many pixels of a lane show. */
function room(pixels) {
  return (pixels / width) * SPAN;
}

function recovered(took) {
  return took === null ? "recovered" : `recovered in ${duration(took)}`;
}

/** A bar in words, for screen readers and for a pointer that rests on it. */
function said(bar, took) {
  const step = (bar.segments ?? []).at(-1);
  const state = {
    running: step && step.ended_at === null ? `running the step ${text(step.step)}` : "running",
    retrying: step ? `trying the step ${text(step.step)} again` : "retrying",
    ended: "ended",
    lost: "lost with its worker",
    "handed back": "handed back",
  };
  return [
    text(bar.id),
    bar.function ? text(bar.function) : null,
    state[bar.state] ?? text(bar.state),
    bar.recovered_from ? `${recovered(took)} from ${text(bar.recovered_from)}` : null,
    step?.again ? `the step ${text(step.step)} is repeated` : null,
  ]
    .filter(Boolean)
    .join(", ");
}

function slots(worker) {
  const busy = Math.min(worker.busy, worker.slots);
  return html`<span class="slots">
    <meter min="0" max=${worker.slots} .value=${busy} aria-label="Busy slots"></meter>
    ${number(worker.busy)} of ${counted(worker.slots, "slot")} busy${worker.offers
      ? html`, ${counted(worker.offers, "offer")}`
      : nothing}
  </span>`;
}

function served(worker) {
  const told = Object.entries(worker.functions ?? {});
  const names = told.map(([name, versions]) => `${text(name)} v${[versions].flat().join(", v")}`);
  if (worker.functions_left_out > 0) names.push(`${number(worker.functions_left_out)} more`);
  return names.join(" · ");
}

function axis() {
  const marks = [60, 45, 30, 15, 0];
  return html`<div class="axis" aria-hidden="true">
    ${marks.map(
      (seconds) =>
        html`<span .style=${`left:${100 - (seconds * 1000 * 100) / SPAN}%`}>${seconds ? `−${seconds} s` : "now"}</span>`,
    )}
  </div>`;
}

function presenceOff() {
  return html`<div class="empty">
    <h3>Workers are not shown</h3>
    <p>This gateway has no connection to workers. Set <code>PRESENCE_SECRET</code> to the same value for gateways
    and workers, and <code>WORKER_GATEWAYS</code> for workers: then each worker has a lane here, and the death of
    one is noticed at once.</p>
  </div>`;
}

function noWorkers() {
  return html`<div class="empty">
    <h3>No worker is connected</h3>
    <p>What is begun is stored and waits. Start a worker, and it goes on from there.</p>
  </div>`;
}

/** Arrow keys move between bars: left and right in a lane, up and down between lanes. */
function moveFocus(event) {
  const lane = event.target.closest(".lane");
  const at = event.target.closest(".bar");
  if (!lane || !at) return;
  const next = {
    ArrowLeft: () => at.previousElementSibling,
    ArrowRight: () => at.nextElementSibling,
    ArrowUp: () => beside(lane, "previousElementSibling"),
    ArrowDown: () => beside(lane, "nextElementSibling"),
  }[event.key]?.();
  if (next) {
    event.preventDefault();
    next.querySelector("a").focus({ preventScroll: false });
  }
}

function beside(lane, direction) {
  let next = lane[direction];
  while (next && !next.querySelector(".bar")) next = next[direction];
  return next?.querySelector(".bar:last-child") ?? null;
}

