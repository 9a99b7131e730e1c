/** Begin an execution: a function, a form made from its schema or JSON, and what was wrong. */

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { keyed } from "../vendor/lit-html/directives/keyed.js";
import { begin } from "../data/api.js";
import { faultIn } from "../data/json_fault.js";
import { fieldAt, fieldsOf, written } from "../data/schemas.js";
import { cut, pretty, text } from "../format.js";
import { inputs } from "./form.js";
import { problem } from "./values.js";

/** The page on which an execution is begun. */
export class Begin {
  constructor(app) {
    this._app = app;
    this._name = null;
    this._asJson = false;
    this._json = null;
    this._problem = null;
    this._faults = [];
    this._busy = false;
    this._ids = new Map();
  }

  get title() {
    return "Begin";
  }

  start() {
    this._app.readFunctions();
  }

  stop() {}

  template() {
    const known = this._app.functions;
    return html`<article class="begin" aria-labelledby="begin-heading">
      <p class="back"><a href="#/">← All executions</a></p>
      <h1 id="begin-heading" tabindex="-1">Begin an execution</h1>
      ${problem(this._app.functionsProblem)}
      ${known ? this._form(known) : nothing}
    </article>`;
  }

  _form(known) {
    if (!known.names.length) return html`<p class="empty">This gateway's catalog has no function that a client can begin.</p>`;
    if (!known.names.includes(this._name)) this._show(known.names[0]);
    const name = this._name;
    const about = known.of(name);
    const fields = fieldsOf(about);
    const asJson = this._asJson || !fields;
    return html`<form class="begin-form" novalidate @submit=${(event) => this._begin(event, name, asJson ? null : fields)}>
      <label>Function
        <select name="function" @change=${this._choose}>
          ${known.names.map((each) => html`<option .selected=${each === name}>${each}</option>`)}
        </select></label>
      <p class="advice"><bdi>${text(about.summary)}</bdi></p>
      ${fields
        ? html`<div class="switch" role="group" aria-label="Input as">
            <button type="button" aria-pressed=${String(!asJson)} @click=${() => this._switch(false)}>Form</button>
            <button type="button" aria-pressed=${String(asJson)} @click=${(event) => this._switch(true, event, fields)}>JSON</button>
          </div>`
        : nothing}
      ${keyed(`${name} ${asJson}`, asJson ? this._editor(about) : inputs(fields, this._faults))}
      ${this._more()}
      ${problem(this._problem)} ${this._otherFaults(asJson ? null : fields)}
      <button class="primary" ?disabled=${this._busy}>Begin</button>
    </form>`;
  }

  _editor(about) {
    const initial = this._json ?? pretty(about.initial);
    return html`<label>Input, as JSON
      <textarea name="json" rows="10" spellcheck="false" aria-invalid=${String(Boolean(this._problem))}
        aria-describedby="faults" .defaultValue=${initial}></textarea></label>`;
  }

  _more() {
    return html`<details><summary>Id, delay and timeout</summary>
      <label>Id, which is made where it is left out
        <input name="id" autocomplete="off" spellcheck="false" maxlength="128" placeholder="order-4711"></label>
      <label>Delay <input name="delay" autocomplete="off" placeholder="30s"></label>
      <label>Timeout <input name="timeout" autocomplete="off" placeholder="24h"></label>
    </details>`;
  }

  /** Faults that no field of the form has. */
  _otherFaults(fields) {
    const names = new Set((fields ?? []).map((each) => each.name));
    const others = this._faults.filter((fault) => !names.has(fieldAt(fault.pointer)));
    return html`<ul id="faults" class="faults">${others.map(
      (fault) => html`<li><code><bdi>${cut(fault.pointer || "the whole input", 200)}</bdi></code> <bdi>${cut(fault.message, 500)}</bdi></li>`,
    )}</ul>`;
  }

  _choose = (event) => {
    this._show(event.target.value);
    this._forget();
  };

  /** From now on this is the function, also if another one becomes the default. */
  _show(name) {
    this._name = name;
    this._json = null;
  }

  _switch(asJson, event, fields) {
    this._json = asJson ? filled(event.target.form, fields) : null;
    this._asJson = asJson;
    this._forget();
  }

  _forget() {
    this._problem = null;
    this._faults = [];
    this._app.changedNow();
  }

  _begin = async (event, name, fields) => {
    event.preventDefault();
    const form = event.currentTarget;
    const given = (field) => String(new FormData(form).get(field) ?? "").trim();
    const body = (fields ? filled(form, fields) : form.elements.json.value).trim();
    this._forget();
    if (!fields && body && !this._isJson(body, form.elements.json)) return;
    this._busy = true;
    this._app.changedNow();
    try {
      const asked = { function: name, delay: given("delay"), timeout: given("timeout") };
      const begun = await begin({ id: given("id") || this._idOf(asked, body), ...asked }, body);
      this._ids.clear();
      this._app.go(begun.promise);
    } catch (error) {
      this._problem = error;
      this._faults = error.faults ?? [];
    }
    this._busy = false;
    this._app.changedNow();
    if (this._problem) form.querySelector("[aria-invalid=true]")?.focus();
  };

  /** An id for what has none. It stays until an answer has come: a second click after a lost one is a repeat. */
  _idOf(asked, body) {
    const key = JSON.stringify([asked, body]);
    if (!this._ids.has(key)) this._ids.set(key, madeId());
    return this._ids.get(key);
  }

  /** Say where the text stops being JSON, and put the cursor there. */
  _isJson(body, editor) {
    const position = faultIn(body);
    if (position === null) return true;
    const before = body.slice(0, position).split("\n");
    const where = `line ${before.length}, column ${before.at(-1).length + 1}`;
    this._problem = new Error(`The input is not JSON at ${where}.`);
    this._app.changedNow();
    editor.focus();
    editor.setSelectionRange(position, Math.min(position + 1, body.length));
    return false;
  }
}

/** An id that nobody else makes, and that sorts by time as those of gateways do: a UUID of version 7. */
function madeId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  new DataView(bytes.buffer).setBigUint64(0, (BigInt(Date.now()) << 16n) | 0x7000n | BigInt(bytes[7]));
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function filled(form, fields) {
  return written(fields, (name) => form.elements[`field ${name}`]?.value ?? "");
}
