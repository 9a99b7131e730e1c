/** The start of the page: what is shown for which address, and when it is drawn. */

import { html, render } from "./vendor/lit-html/lit-html.js";
import { hasToken, useToken } from "./data/api.js";
import { functions } from "./data/functions.js";
import { Live } from "./data/live.js";
import { encoded, shell, text } from "./format.js";
import { Begin } from "./views/begin.js";
import { Execution } from "./views/execution.js";
import { Lanes } from "./views/lanes.js";
import { List, filters } from "./views/list.js";
import { News } from "./views/news.js";
import { Numbers } from "./views/numbers.js";
import { banner, header, signIn } from "./views/frame.js";

/** Milliseconds between two drawings, unless a person has done something. */
const DRAW = 250;

/** Milliseconds between two reads of the functions, which a new catalog changes. */
const CATALOG = 60_000;

/** Drawings of which the browser keeps how long they took: it would keep all of them. */
const MEASURED = 1_000;

class App {
  constructor(root) {
    this._root = root;
    this.functions = null;
    this.functionsProblem = null;
    this._functionsReadAt = 0;
    this._person = 0;
    this.live = new Live(() => this._told());
    this._lanes = new Lanes(() => this.changed());
    this._numbers = new Numbers();
    this._list = new List(this);
    this._news = new News(document.getElementById("news"));
    this._view = null;
    this._timer = null;
    this._drawnAt = 0;
    this.drawings = 0;
  }

  start() {
    addEventListener("hashchange", () => this._route());
    // By its address it would lead to an execution of that name.
    document.querySelector(".skip").addEventListener("click", (event) => {
      event.preventDefault();
      document.getElementById("content")?.focus();
    });
    document.addEventListener("visibilitychange", () => this._seen());
    this._route();
    this.live.start();
    this.readFunctions();
    setInterval(() => this._tick(), 1_000);
  }

  /** The tab is shown or hidden. */
  _seen() {
    if (document.hidden) this._view?.stop();
    else if (this.live.mode !== "signed out") {
      this._view?.start();
      this.readFunctions();
    }
  }

  _tick() {
    if (document.hidden) return;
    this.changed(); // Times in words go on also when nothing else happens.
    if (Date.now() - this._functionsReadAt >= CATALOG && this.live.mode !== "signed out") this.readFunctions();
  }

  /** Draw soon: at most four times a second. */
  changed() {
    if (this._timer !== null) return;
    const pause = Math.max(0, this._drawnAt + DRAW - performance.now());
    this._timer = setTimeout(() => this.changedNow(), pause);
  }

  /** Draw at once, after something that a person has done. */
  changedNow() {
    clearTimeout(this._timer);
    this._timer = null;
    if (document.hidden) return;
    performance.mark("draw");
    this._draw();
    performance.measure("drawing", "draw");
    performance.clearMarks("draw");
    this._drawnAt = performance.now();
    this.drawings += 1;
    if (this.drawings % MEASURED === 0) performance.clearMeasures("drawing");
  }

  /** Show another address of this page: an id, or a path that begins with a slash. */
  go(place) {
    location.hash = place.startsWith("/") ? place : encoded(place);
  }

  /** A line for curl. */
  curl(path, { method = "GET", body = null, stream = false } = {}) {
    const parts = ["curl", stream ? "-N" : "-s"];
    if (method !== "GET") parts.push("-X", method);
    if (hasToken()) parts.push("-H", '"Authorization: Bearer $TOKEN"');
    if (body !== null) parts.push("-H", "'Content-Type: application/json'", "-d", shell(body));
    return [...parts, shell(location.origin + path)].join(" ");
  }

  async readFunctions() {
    const person = this._person;
    this._functionsReadAt = Date.now();
    const [read, problem] = await functions().then((told) => [told, null], (error) => [this.functions, error]);
    if (person !== this._person) return;
    this.functions = read;
    this.functionsProblem = problem;
    this.changed();
  }

  _route() {
    const hash = location.hash.slice(1);
    const before = this._view;
    before?.stop();
    this._view = viewOf(this, hash);
    const title = this._view?.title;
    document.title = title ? `${text(title)} · durable-http` : "durable-http";
    this.live.show(!(this._view instanceof Execution));
    if (!this._view) this._list.show(filtersOf(hash));
    if (!document.hidden) this._view?.start();
    this.changedNow();
    if (this._view) document.querySelector("h1")?.focus({ preventScroll: true });
    // A filter leaves the page where it is.
    if (before || this._view) scrollTo(0, 0);
  }

  _told() {
    const { snapshot, mode } = this.live;
    if (mode === "stream" || mode === "polling") {
      const now = this.live.now();
      this._lanes.take(snapshot, now);
      this._numbers.take(snapshot, now);
      this._news.take(snapshot);
      if (!this._view) this._list.refresh(snapshot);
    }
    this.changed();
  }

  _draw() {
    const { snapshot, mode } = this.live;
    const now = this.live.now();
    if (mode === "signed out") {
      render(signIn(this._signIn, hasToken()), this._root);
      return;
    }
    render(html`${header(this.live, hasToken(), this._signOut)}
      <main id="content" tabindex="-1" data-mode=${mode}>
        ${banner(this.live)}
        ${this._view ? this._view.template(snapshot, now) : this._overview(snapshot, now)}
      </main>`, this._root);
    if (!this._view) this._lanes.drawn(this._root, now);
  }

  _overview(snapshot, now) {
    return html`
      <h1 class="unseen">Executions and workers</h1>
      ${this._numbers.template(snapshot, now)}
      <section class="workers" aria-labelledby="workers-heading">
        <h2 id="workers-heading">Workers</h2>${this._lanes.template(snapshot)}
      </section>
      ${this._list.template(snapshot, now)}`;
  }

  _signIn = (event) => {
    event.preventDefault();
    useToken(String(new FormData(event.currentTarget).get("token")).trim());
    this._again();
  };

  _signOut = () => {
    useToken("");
    this._again();
  };

  /** Read everything anew, as somebody else. */
  _again() {
    this.live.mode = "connecting";
    this.live.snapshot = null;
    this._list = new List(this);
    this._person += 1; // What was asked for before is not shown any more.
    this.functions = this.functionsProblem = null;
    this.live.resume();
    this._route();
    this.readFunctions();
  }
}

function viewOf(app, hash) {
  if (hash === "/begin") return new Begin(app);
  if (hash === "" || hash.startsWith("/")) return null;
  return new Execution(app, decoded(hash));
}

function decoded(hash) {
  try {
    return decodeURIComponent(hash);
  } catch {
    return hash;
  }
}

function filtersOf(hash) {
  const given = new URLSearchParams(hash.split("?")[1] ?? "");
  return filters((name) => given.get(name));
}

const app = new App(document.getElementById("page"));
app.start();
