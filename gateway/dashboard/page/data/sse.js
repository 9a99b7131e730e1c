/** Server-sent events read by fetch, which can send a token, as EventSource cannot. */

import { ask } from "./api.js";

/** Seconds without a byte after which a stream is given up: both streams say something more often. */
const SILENCE_SECONDS = 20;

/** Characters of one event after which a stream is given up, so that none fills the memory. */
const LARGEST_EVENT = 16 * 1024 * 1024;

/** Yield the events of a stream as `{event, data, id}`, until it ends or the signal aborts it. */
export async function* events(path, signal, headers = {}) {
  const silence = new AbortController();
  const heard = (answer) => {
    const timer = setTimeout(() => silence.abort(), SILENCE_SECONDS * 1000);
    return answer.finally(() => clearTimeout(timer));
  };
  const response = await heard(
    ask(path, {
      signal: AbortSignal.any([signal, silence.signal]),
      headers: { Accept: "text/event-stream", ...headers },
    }),
  );
  if (!response.body || response.status === 204) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    while (true) {
      const { value, done } = await heard(reader.read());
      if (done) return;
      const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
      rest = blocks.pop();
      if (rest.length > LARGEST_EVENT) return;
      for (const block of blocks) {
        const event = parse(block);
        if (event) yield event;
      }
    }
  } finally {
    silence.abort();
    reader.cancel().catch(() => {});
  }
}

/** Return the event of a block of lines, null for a comment. */
export function parse(block) {
  const fields = { event: "message", data: [], id: null };
  for (const line of block.split("\n")) {
    const [, name, value] = /^([a-z]+): ?(.*)$/s.exec(line) ?? [];
    if (name === "data") fields.data.push(value);
    else if (name === "event" || name === "id") fields[name] = value;
  }
  return fields.data.length ? { ...fields, data: fields.data.join("\n") } : null;
}
