/** Lines from the broken end of a bar to where its execution goes on, in another lane. */

import { svg } from "../vendor/lit-html/lit-html.js";
import { percent } from "./axis.js";

/** Lines that are drawn at most, the newest ones. */
const MOST = 40;

/** Return the lines between all bars that are drawn; reads where the lanes are on the page. */
export function arrows(root, bars, lanes) {
  const pairs = lanes
    .flatMap((lane) => [...lane.bars.values()].map((bar) => ({ lane, bar })))
    .filter(({ bar }) => bar.recovered_from)
    .map(({ lane, bar }) => ({ to: { lane, bar }, from: bars.lostFrom(bar) }))
    .filter(({ from }) => from)
    .sort((one, other) => other.to.bar.claimed_at - one.to.bar.claimed_at)
    .slice(0, MOST);
  if (!pairs.length) return null;
  const tops = new Map();
  const top = ({ lane, bar }) => {
    if (!tops.has(lane.key)) tops.set(lane.key, measured(root, lane.key));
    const { y, row, middle } = tops.get(lane.key);
    return y + bar.row * row + middle;
  };
  return svg`<svg class="arrows" width="100%" height="100%">${pairs.map((pair) => line(pair, top))}</svg>`;
}

function measured(root, key) {
  const box = root.querySelector(".lanes-box");
  const track = [...root.querySelectorAll(".lane")]
    .find((lane) => lane.dataset.key === key)
    ?.querySelector(".track");
  const style = track && getComputedStyle(track);
  const y = track ? track.getBoundingClientRect().top - box.getBoundingClientRect().top : 0;
  return {
    y: y + Number.parseFloat(style?.paddingTop ?? "0"),
    row: Number.parseFloat(style?.getPropertyValue("--row-height") || "20"),
    middle: Number.parseFloat(style?.getPropertyValue("--bar-middle") || "10"),
  };
}

function line({ from, to }, top) {
  const x = `${percent(to.bar.claimed_at)}%`;
  const start = `${percent(from.bar.ended_at ?? to.bar.claimed_at)}%`;
  const [y1, y2] = [top(from), top(to)];
  const head = y2 > y1 ? "M-4 -7 L0 0 L4 -7" : "M-4 7 L0 0 L4 7";
  const end = y2 > y1 ? y2 - 9 : y2 + 9;
  return svg`
    <line x1=${start} y1=${y1} x2=${x} y2=${y1}></line>
    <line x1=${x} y1=${y1} x2=${x} y2=${end}></line>
    <svg x=${x} y=${end} overflow="visible"><path d=${head}></path></svg>`;
}
