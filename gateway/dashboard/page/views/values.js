/** Values of executions, problems, and lines to copy: all of it as text. */

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { SHOWN_CHARACTERS, cut, number, pretty, text } from "../format.js";

const opened = new Set();

/** A text in lines; a long one is cut until all of it is asked for. `name` tells values apart. */
export function lines(name, value, changed) {
  const whole = text(value);
  const isCut = whole.length > SHOWN_CHARACTERS && !opened.has(name);
  return html`<pre class="json" tabindex="0" role="group" aria-label=${name.split(" ").at(-1)}><bdi>${isCut ? cut(whole) : whole}</bdi></pre>
    ${isCut
      ? html`<button type="button" @click=${() => (opened.add(name), changed())}>
          Show all ${number(whole.length)} characters</button>`
      : nothing}`;
}

/** A JSON value. */
export function json(name, value, changed) {
  return lines(name, pretty(value), changed);
}

/** What went wrong, in words; nothing if nothing did. */
export function problem(found, id) {
  return found
    ? html`<p class="problem" role="alert" id=${id ?? nothing}><span aria-hidden="true">⚠</span> <bdi>${text(found.message)}</bdi></p>`
    : nothing;
}

/** A line for a shell with a button that copies it, under what it does unless that is said already. */
export function command(line, effect = "") {
  return html`${effect ? html`<p class="quiet">${effect}</p>` : nothing}<div class="command"><code><bdi>${text(line)}</bdi></code>
    <button type="button" @click=${(event) => copy(line, event.target)}>Copy</button></div>`;
}

/** Copy a text; where the page may not use the clipboard (plain HTTP) it is selected and copied. */
async function copy(line, button) {
  const done = await written(line);
  button.textContent = done ? "Copied" : "Select and copy";
  setTimeout(() => (button.textContent = "Copy"), 1_500);
  if (!done) select(button.parentElement.querySelector("code"));
}

async function written(line) {
  try {
    await navigator.clipboard.writeText(line);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = line;
    field.className = "unseen";
    const before = document.activeElement;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    before?.focus();
    return done;
  }
}

function select(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}
