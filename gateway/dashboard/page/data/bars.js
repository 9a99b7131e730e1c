/** What is drawn of a snapshot: which bars, in which row of their lane, and how each came there. */

/** Milliseconds that the lanes show. */
export const SPAN = 60_000;

/** Bars of all lanes together, and rows of one lane, that are drawn at most. */
export const MOST_BARS = 400;
export const MOST_ROWS = 10;

/** Milliseconds between two bars of one row, so that both can be told apart. */
const GAP = 150;

const ENDED = new Set(["ended", "lost", "handed back"]);

/** A worker's key: a process that is started again under the same name is another lane. */
export function keyOf(worker) {
  return `${worker.name} ${worker.pid}`;
}

/** Keeps bars for as long as they can be seen, also those that snapshots no longer have. */
export class Bars {
  constructor() {
    /** Lanes by worker key: `{worker, bars, rows, hidden, gone}`. */
    this.lanes = new Map();
    this._seconds = new Map();
  }

  /** Take a snapshot; return the lanes to draw, by name. A label of a recovery takes `labelRoom` ms. */
  take(snapshot, now, labelRoom = 0) {
    this._labelRoom = labelRoom;
    this._remember(snapshot);
    const told = new Set();
    for (const worker of snapshot.workers ?? []) {
      told.add(keyOf(worker));
      this._lane(worker, now);
    }
    for (const [key, lane] of this.lanes) {
      if (!told.has(key)) this.lanes.delete(key);
    }
    this._cap();
    return [...this.lanes.values()].sort(byName);
  }

  /** Milliseconds that a recovery took, null if nobody knows. */
  recoveryTime(bar) {
    return this._seconds.get(`${bar.id} ${bar.claimed_at}`) ?? null;
  }

  /** The bar that was lost and goes on as this one, with its lane; null if it is not drawn. */
  lostFrom(bar) {
    let found = null;
    for (const lane of this.lanes.values()) {
      if (lane.worker.name !== bar.recovered_from) continue;
      for (const lost of lane.bars.values()) {
        const fits = lost.id === bar.id && lost.state === "lost" && lost.claimed_at < bar.claimed_at;
        if (fits && (!found || lost.claimed_at > found.bar.claimed_at)) found = { bar: lost, lane };
      }
    }
    return found;
  }

  _remember({ recoveries }) {
    const last = recoveries?.last;
    if (last && Number.isFinite(last.seconds)) {
      this._last = last;
    }
  }

  _lane(worker, now) {
    const key = keyOf(worker);
    const lane = this.lanes.get(key) ?? { key, bars: new Map(), rows: [], hidden: 0 };
    this.lanes.set(key, lane);
    lane.worker = worker;
    const told = new Set();
    for (const bar of worker.bars ?? []) {
      const name = `${bar.id} ${bar.claimed_at}`;
      told.add(name);
      const known = lane.bars.get(name);
      lane.bars.set(name, { ...bar, name, row: known?.row ?? null });
      this._time(bar);
    }
    for (const [name, bar] of lane.bars) {
      // Without an end it has been left out of the snapshot, and nobody knows how it goes on.
      const over = !told.has(name) && (!ENDED.has(bar.state) || bar.ended_at === null);
      if (over || (bar.ended_at !== null && bar.ended_at < now - SPAN)) lane.bars.delete(name);
    }
    place(lane, this._labelRoom);
  }

  _time(bar) {
    const name = `${bar.id} ${bar.claimed_at}`;
    if (!bar.recovered_from || this._seconds.has(name)) return;
    const last = this._last;
    const lost = this.lostFrom(bar)?.bar;
    if (last?.id === bar.id && last.from === bar.recovered_from && last.at >= bar.claimed_at - 5_000) {
      this._seconds.set(name, last.seconds * 1000);
    } else if (lost?.ended_at) {
      this._seconds.set(name, Math.max(0, bar.claimed_at - lost.ended_at));
    }
    if (this._seconds.size > 1_000) this._seconds.delete(this._seconds.keys().next().value);
  }

  /** Leave out the oldest bars where there are more than can be drawn. */
  _cap() {
    const all = [...this.lanes.values()].flatMap((lane) =>
      [...lane.bars.values()].map((bar) => ({ lane, bar })),
    );
    if (all.length <= MOST_BARS) return;
    const ended = ({ bar }) => (bar.ended_at === null ? 1 : 0);
    all.sort((one, other) => ended(other) - ended(one) || other.bar.claimed_at - one.bar.claimed_at);
    for (const { lane, bar } of all.slice(MOST_BARS)) {
      lane.bars.delete(bar.name);
      lane.hidden += 1;
    }
  }
}

/** Give each bar of a lane a row of its own time; a bar keeps its row. */
function place(lane, labelRoom) {
  const end = (bar) => Math.max(bar.ended_at ?? Infinity, bar.claimed_at + (bar.recovered_from ? labelRoom : 0));
  const bars = [...lane.bars.values()].sort((one, other) => one.claimed_at - other.claimed_at);
  const ends = [];
  for (const bar of bars.filter((each) => each.row !== null)) {
    ends[bar.row] = Math.max(ends[bar.row] ?? 0, end(bar));
  }
  lane.hidden = 0;
  for (const bar of bars.filter((each) => each.row === null)) {
    let row = 0;
    while ((ends[row] ?? 0) + GAP > bar.claimed_at) row += 1;
    if (row >= MOST_ROWS) {
      lane.hidden += bar.ended_at === null ? 1 : 0;
      lane.bars.delete(bar.name);
      continue;
    }
    bar.row = row;
    ends[row] = end(bar);
  }
  lane.rows = 1 + Math.max(0, ...[...lane.bars.values()].map((bar) => bar.row));
}

const COLLATOR = new Intl.Collator(undefined, { numeric: true });

function byName(one, other) {
  const names = COLLATOR.compare(one.worker.name, other.worker.name);
  return names || one.worker.started_at - other.worker.started_at;
}
