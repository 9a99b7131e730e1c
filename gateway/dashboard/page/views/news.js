/** What a screen reader is told: the loss of a worker, and each recovery, once. */

import { counted, duration, text } from "../format.js";

/** Tells news in a live region, which is not drawn anew. */
export class News {
  constructor(region) {
    this._region = region;
    this._lost = null;
    this._recovery = null;
  }

  take(snapshot) {
    const dead = (snapshot.workers ?? []).filter((worker) => worker.state === "dead");
    const lost = new Set(dead.map((worker) => `${worker.name} ${worker.pid}`));
    const last = snapshot.recoveries?.last ?? null;
    const recovery = last && `${last.id} ${last.at}`;
    // What had happened before the page was opened is no news.
    if (this._lost !== null) {
      const news = dead.filter((worker) => !this._lost.has(`${worker.name} ${worker.pid}`));
      if (news.length) this._tell(lostWords(news));
      if (recovery && recovery !== this._recovery) this._tell(recoveredWords(last));
    }
    this._lost = lost;
    this._recovery = recovery;
  }

  _tell(words) {
    const line = document.createElement("p");
    line.textContent = words;
    this._region.append(line);
    while (this._region.children.length > 3) this._region.firstChild.remove();
  }
}

function lostWords(workers) {
  if (workers.length > 3) return `${counted(workers.length, "worker")} were lost.`;
  return workers.map((worker) => `Worker ${text(worker.name)} was lost.`).join(" ");
}

function recoveredWords({ id, from, to, seconds }) {
  const took = typeof seconds === "number" ? ` after ${duration(seconds * 1000)}` : "";
  return `${text(id)} goes on at ${text(to)}${took}; its worker ${text(from)} was lost.`;
}
