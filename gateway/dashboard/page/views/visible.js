/** Which parts of a long view are drawn: those that can be seen, and a few of the others in turn. */

/** Parts out of sight that are drawn with each drawing, until all are as new as the ones in sight. */
const IN_TURN = 2;

/** Parts that are drawn whole before it is known what can be seen. */
const FIRST = 4;

/** Pixels beyond the edges of the window that count as seen, so that scrolling finds them drawn. */
const AROUND = 300;

/** Follows elements by their `data-key`; `changed` is called when there is something to draw. */
export class Visible {
  constructor(changed) {
    this._changed = changed;
    this._elements = new Map();
    this._seen = new WeakSet();
    this._old = new Set();
    this._observer = new IntersectionObserver((entries) => this._note(entries), { rootMargin: `${AROUND}px 0px` });
  }

  /** There is something new in each of these parts. */
  renew(keys) {
    this._old = new Set([...this._old].filter((key) => keys.includes(key)));
    for (const key of keys) this._old.add(key);
  }

  /** Return how to draw each part: "whole", "bare" where it is new, or "as it is". */
  choose(keys) {
    const isKnown = (key) => this._elements.get(key)?.isConnected;
    const inSight = (key) => this._seen.has(this._elements.get(key));
    const waiting = [...this._old].filter((key) => isKnown(key) && !inSight(key));
    const inTurn = new Set(waiting.slice(0, IN_TURN));
    const ways = keys.map((key, index) => {
      if (!isKnown(key)) return [key, index < FIRST ? "whole" : "bare"];
      return [key, inSight(key) || inTurn.has(key) ? "whole" : "as it is"];
    });
    for (const [key, way] of ways) {
      if (way === "whole") this._old.delete(key);
      else if (way === "bare") this._old.add(key);
    }
    return new Map(ways);
  }

  /** Follow the elements that are on the page now. */
  follow(elements) {
    const found = new Map([...elements].map((element) => [element.dataset.key, element]));
    for (const [key, element] of this._elements) {
      if (found.get(key) !== element) this._observer.unobserve(element);
    }
    for (const [key, element] of found) {
      if (this._elements.get(key) !== element) this._observer.observe(element);
    }
    this._elements = found;
    if (this._old.size) this._changed();
  }

  _note(entries) {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this._seen.add(target);
      else this._seen.delete(target);
    }
    if (entries.some((entry) => entry.isIntersecting)) this._changed();
  }
}
