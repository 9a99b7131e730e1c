/** Values in words: durations, times, numbers, JSON. Nothing here knows of HTML. */

const UNITS = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
];

/** The characters of a long value that are shown until all are asked for. */
export const SHOWN_CHARACTERS = 4_000;

/** A duration as people say it: `0.06 s`, `1.2 s`, `45 s`, `2 min 5 s`, `3 d 4 h`. */
export function duration(milliseconds) {
  if (!Number.isFinite(milliseconds)) return "unknown";
  const whole = Math.max(0, milliseconds);
  if (whole < 10) return "< 0.01 s";
  if (whole < 100) return `${(whole / 1000).toFixed(2)} s`;
  if (whole < 9_950) return `${(whole / 1000).toFixed(1)} s`;
  const rounded = Math.round(whole / 1000) * 1000;
  const first = UNITS.findIndex(([size]) => rounded >= size);
  const [size, unit] = UNITS[first];
  const main = `${Math.floor(rounded / size)} ${unit}`;
  const next = UNITS[first + 1];
  const rest = next ? Math.floor((rounded % size) / next[0]) : 0;
  return rest ? `${main} ${rest} ${next[1]}` : main;
}

/** How long ago a time was, or how far ahead it is. */
export function relative(time, now) {
  const distance = now - time;
  if (!Number.isFinite(distance)) return "at an unknown time";
  if (Math.abs(distance) < 1000) return "just now";
  return distance > 0 ? `${duration(distance)} ago` : `in ${duration(-distance)}`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** A time of day, with the date if it is another day than that of `now`. */
export function clock(time, now = Date.now()) {
  if (!Number.isFinite(time)) return "unknown";
  const same = new Date(time).toDateString() === new Date(now).toDateString();
  return (same ? CLOCK : DATE).format(time);
}

/** Milliseconds since the epoch of a time of the API; NaN if it is none. */
export function milliseconds(text) {
  return typeof text === "number" ? text : Date.parse(text ?? "");
}

const WHOLE = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const FRACTION = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

/** A count or rate that may be unknown: a dash stands for null and for what is no number. */
export function number(value, digits = 0) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  return (digits ? FRACTION : WHOLE).format(value);
}

/** `1 worker`, `2 workers`. */
export function counted(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** Any value as text that can be shown and sent: lone surrogates become U+FFFD. */
export function text(value) {
  return String(value ?? "").toWellFormed();
}

/** A value for a URL; unlike encodeURIComponent it takes lone surrogates. */
export function encoded(value) {
  return encodeURIComponent(text(value));
}

/** The beginning of a long text. */
export function cut(long, most = SHOWN_CHARACTERS) {
  const whole = text(long);
  return whole.length > most ? `${whole.slice(0, most).toWellFormed()}…` : whole;
}

/** JSON as lines; integers beyond 2^53 as they were sent, see `parsed`. */
export function pretty(value) {
  return text(JSON.stringify(value, null, 2));
}

/** Parse JSON; numbers that JavaScript's cannot hold are kept as they were written. */
export function parsed(source) {
  if (typeof JSON.rawJSON !== "function") return JSON.parse(source);
  return JSON.parse(source, (_, value, context) => {
    if (typeof value !== "number" || !context?.source) return value;
    const isExact = Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
    return isExact ? value : JSON.rawJSON(context.source);
  });
}

/** A text for a POSIX shell, in single quotes. */
export function shell(value) {
  return `'${text(value).replaceAll("'", `'\\''`)}'`;
}
