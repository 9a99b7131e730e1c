/** Where a text stops being JSON, which browsers tell in words of their own, or not at all. */

const SPACE = /[ \t\n\r]*/y;
const SCALAR = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/** Return the index of the first character that cannot stand there; null if all is JSON. */
export function faultIn(text) {
  try {
    JSON.parse(text);
    return null;
  } catch {
    return new Scanner(text).end();
  }
}

/** Reads as far as the text is JSON. */
class Scanner {
  constructor(text) {
    this._text = text;
    this._at = 0;
  }

  end() {
    const open = [];
    let wanted = "value";
    while (true) {
      this._take(SPACE);
      if (wanted === "value") {
        const opens = this._text[this._at];
        if (opens === "{" || opens === "[") {
          this._at += 1;
          open.push(opens);
          wanted = opens === "{" ? "first key" : "first value";
          continue;
        }
        if (!this._take(SCALAR)) return this._at;
      } else if (wanted.endsWith("key")) {
        if (wanted === "first key" && this._skip("}")) open.pop();
        else if (this._text[this._at] !== '"' || !this._take(SCALAR)) return this._at;
        else {
          this._take(SPACE);
          if (!this._skip(":")) return this._at;
          wanted = "value";
          continue;
        }
      } else if (wanted === "first value") {
        if (!this._skip("]")) {
          wanted = "value";
          continue;
        }
        open.pop();
      }
      this._take(SPACE);
      const next = this._after(open);
      if (next === null) return this._at;
      wanted = next;
    }
  }

  /** What follows after a value; null where nothing that stands there fits. */
  _after(open) {
    while (open.length) {
      const inObject = open.at(-1) === "{";
      if (this._skip(",")) return inObject ? "key" : "value";
      if (!this._skip(inObject ? "}" : "]")) return null;
      open.pop();
      this._take(SPACE);
    }
    return null;
  }

  _take(pattern) {
    pattern.lastIndex = this._at;
    const found = pattern.exec(this._text);
    if (found) this._at += found[0].length;
    return found !== null;
  }

  _skip(character) {
    if (this._text[this._at] !== character) return false;
    this._at += 1;
    return true;
  }
}
