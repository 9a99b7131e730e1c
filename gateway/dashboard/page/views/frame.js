/** What stands around each view: the header, what is wrong with the service, the sign-in. */

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { text } from "../format.js";

const SERVERS = {
  ok: ["●", "good", "Server reachable"],
  away: ["✕", "bad", "Server not reachable"],
  "not writable": ["⚠", "bad", "Server cannot write"],
};

const MODES = {
  connecting: ["◌", "quiet", "Connecting"],
  stream: ["●", "good", "Live"],
  polling: ["◷", "quiet", "Polling"],
  away: ["✕", "bad", "No answer"],
  paused: ["‖", "quiet", "Paused"],
};

export function header({ snapshot, mode }, isSignedIn, signOut) {
  const [icon, tone, word] = MODES[mode] ?? MODES.connecting;
  const server = mode === "away" ? null : SERVERS[snapshot?.server];
  return html`<header class="top">
    <a class="brand" href="#/"><span aria-hidden="true"></span>durable-http</a>
    <p class="lights">
      ${snapshot?.gateway ? html`<span>${/gateway/i.test(snapshot.gateway) ? nothing : "Gateway "}<bdi>${text(snapshot.gateway)}</bdi></span>` : nothing}
      ${server ? html`<span class="light" data-tone=${server[1]}><span aria-hidden="true">${server[0]}</span> ${server[2]}</span>` : nothing}
      <span class="light mode" data-tone=${tone}><span aria-hidden="true">${icon}</span> ${word}</span>
    </p>
    <nav aria-label="Main">
      <a class="button primary" href="#/begin">Begin…</a>
      <a href="/docs">API</a>
      ${isSignedIn ? html`<button type="button" @click=${signOut}>Sign out</button>` : nothing}
    </nav>
  </header>`;
}

export function banner({ snapshot, mode, problem }) {
  if (mode === "away") {
    return html`<p class="problem" role="alert"><span aria-hidden="true">⚠</span> <bdi>${text(problem?.message)}</bdi>
      What is shown is the last that was told. This page asks again by itself.</p>`;
  }
  if (snapshot?.server === "away") {
    return html`<p class="problem" role="alert"><span aria-hidden="true">⚠</span> The gateway cannot reach the
      Resonate server. Nothing can be begun or read until it is back; nothing that is stored is lost.</p>`;
  }
  if (snapshot?.server === "not writable") {
    return html`<p class="problem" role="alert"><span aria-hidden="true">⚠</span> The Resonate server cannot write
      to its store. See whether its disk is full.</p>`;
  }
  return nothing;
}

export function signIn(submit, wasRefused) {
  return html`<main id="content" tabindex="-1" class="sign-in">
    <h1>Sign in</h1>
    <p>This gateway asks for a token, one of its <code>GATEWAY_TOKENS</code>. It is kept in this tab's memory
    only, and is gone when the page is left or loaded again.</p>
    <form @submit=${submit}>
      <label>Token <input name="token" type="password" required autocomplete="off" aria-invalid=${String(wasRefused)}></label>
      ${wasRefused ? html`<p class="problem" role="alert"><span aria-hidden="true">⚠</span> The gateway does not know this token.</p>` : nothing}
      <button class="primary">Sign in</button>
    </form>
  </main>`;
}
