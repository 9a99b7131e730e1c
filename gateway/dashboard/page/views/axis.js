/** The time axis: things stand at a place of it, and the whole of it moves. */

import { SPAN } from "../data/bars.js";

/** Milliseconds after which places are counted anew, so that percentages stay small. */
const REBASE = 2 * SPAN;

/** Milliseconds beyond the right edge at which what goes on is drawn to end. */
const BEYOND = 2 * REBASE;

let base = 0;

/** Count places from a new time if the old one is too long ago. */
export function rebase(now) {
  if (now - base > REBASE || now < base) base = now;
}

/** The place of a time from start to end in percent; without an end it goes on beyond the edge. */
export function place(start, end) {
  const left = percent(start);
  const right = end === null || end === undefined ? percent(base + BEYOND) : percent(end);
  return { left, width: Math.max(right - left, 0.15) };
}

/** The place of a time in percent: 100 is the right edge at the time from which places are counted. */
export function percent(time) {
  return Math.round(((time - base) / SPAN + 1) * 1e6) / 1e4;
}

const still = matchMedia("(prefers-reduced-motion: reduce)");
const moving = new WeakMap();

/**
 * Let an element move with time. The browser's compositor moves it, so that no script runs and
 * nothing is laid out in between; with reduced motion it jumps at each update.
 */
export function drift(element, now) {
  if (still.matches) {
    moving.get(element)?.animation.cancel();
    moving.delete(element);
    element.style.transform = `translateX(${-((now - base) / SPAN) * 100}%)`;
    return;
  }
  const known = moving.get(element);
  if (known?.base === base) {
    const off = now - base - known.animation.currentTime;
    if (Math.abs(off) > 400) known.animation.currentTime = now - base;
    return;
  }
  known?.animation.cancel();
  element.style.transform = "";
  const far = (-BEYOND / SPAN) * 100;
  const animation = element.animate(
    { transform: ["translateX(0)", `translateX(${far}%)`] },
    { duration: BEYOND, fill: "forwards" },
  );
  animation.currentTime = now - base;
  moving.set(element, { animation, base });
}
