/** What can be done with an execution: answer a signal, cancel it with a reason. */

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { createRef, ref } from "../vendor/lit-html/directives/ref.js";
import { cancel, signal } from "../data/api.js";
import { faultIn } from "../data/json_fault.js";
import { text } from "../format.js";
import { problem } from "./values.js";

const LONGEST_REASON = 1024;

/** The forms of one execution; `done` is called after something was done. */
export class Actions {
  constructor(app, id, done) {
    this._app = app;
    this._id = id;
    this._done = done;
    this._dialog = createRef();
    this._problem = null;
    this._busy = false;
    this._keys = new Map();
    this._news = "";
  }

  template(state, waits) {
    if (state.done) return nothing;
    const names = [...new Set(waits.filter((each) => each.kind === "signal").map((each) => each.name))];
    return html`<div class="actions">
      ${repeat(names, (name) => name, (name) => this._signal(name))} ${problem(this._problem)}
      ${this._news ? html`<p class="news" role="status">${this._news}</p>` : nothing}
      <button type="button" class="danger" @click=${() => this._dialog.value.showModal()}>Cancel this execution…</button>
      ${this._question()}
    </div>`;
  }

  _signal(name) {
    return html`<form class="signal" @submit=${(event) => this._send(event, name)}>
      <label><span>Value of the signal <bdi class="id">${text(name)}</bdi>, as JSON</span>
        <textarea name="value" rows="2" spellcheck="false" required>true</textarea></label>
      <button class="primary" ?disabled=${this._busy}>Send the signal</button>
    </form>`;
  }

  _question() {
    return html`<dialog ${ref(this._dialog)} aria-labelledby="cancel-heading">
      <form method="dialog" @submit=${this._cancel}>
        <h2 id="cancel-heading">Cancel <bdi class="id">${text(this._id)}</bdi>?</h2>
        <p>It ends, and its children with it. The running step may still finish; no further step starts.</p>
        <label>Reason, which everybody sees who asks how it ended
          <input name="reason" maxlength=${LONGEST_REASON} autocomplete="off"></label>
        <p class="buttons">
          <button type="button" @click=${() => this._dialog.value.close()}>Keep it</button>
          <button class="danger primary">Cancel it</button>
        </p>
      </form>
    </dialog>`;
  }

  _send = (event, name) => {
    event.preventDefault();
    const value = String(new FormData(event.currentTarget).get("value"));
    const fault = faultIn(value);
    if (fault !== null) {
      this._problem = new Error(`The value is not JSON from its character ${fault + 1} on. A text stands in double quotes.`);
      this._app.changedNow();
      return;
    }
    // The key stays until an answer has come, so that a second click after a lost answer is a repeat.
    const key = this._keys.get(`${name} ${value}`) ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
    this._keys.set(`${name} ${value}`, key);
    this._try(async () => {
      await signal(this._id, name, value, key);
      this._keys.delete(`${name} ${value}`);
      this._news = `The signal ${text(name)} is delivered.`;
    });
  };

  _cancel = (event) => {
    const reason = String(new FormData(event.currentTarget).get("reason")).trim();
    this._try(() => cancel(this._id, reason));
  };

  async _try(action) {
    this._busy = true;
    this._problem = null;
    this._app.changedNow();
    try {
      await action();
      this._done();
    } catch (error) {
      this._problem = error;
    }
    this._busy = false;
    this._app.changedNow();
  }
}
