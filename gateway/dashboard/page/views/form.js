/** The fields of a form for an input, each with its faults beside it. */

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { fieldAt } from "../data/schemas.js";
import { cut, text } from "../format.js";

/** Return a field for each of these; `faults` are those that the gateway has found. */
export function inputs(fields, faults) {
  // A catalog that changes meanwhile leaves what was typed with its field, and gives no other meaning to it.
  const key = ({ name, kind, choices }) => JSON.stringify([name, kind, choices]);
  return html`<div class="fields">${repeat(fields, key, (field, number) => {
    const found = faults.filter((fault) => fieldAt(fault.pointer) === field.name);
    const about = `about-field-${number}`;
    return html`<div class="field">
      <label for=${`field-${number}`}><bdi>${text(field.title)}</bdi>${field.required ? html` <small>required</small>` : nothing}</label>
      ${control(field, { id: `field-${number}`, about, invalid: String(found.length > 0) })}
      <p class="help" id=${about}>${found.map(
        (fault) => html`<span class="fault"><span aria-hidden="true">⚠</span> <bdi>${cut(fault.message, 500)}</bdi></span>`,
      )}<bdi>${text(field.help)}</bdi> ${limits(field)}</p>
    </div>`;
  })}</div>`;
}

function limits({ minimum, maximum, kind, of, nullable, required }) {
  const words = [
    kind === "lines" ? `one ${of === "string" ? "text" : "number"} on each line` : null,
    kind === "integer" ? "a whole number" : null,
    minimum !== undefined && maximum !== undefined ? `from ${minimum} to ${maximum}` : null,
    minimum !== undefined && maximum === undefined ? `at least ${minimum}` : null,
    minimum === undefined && maximum !== undefined ? `at most ${maximum}` : null,
    nullable && !required ? "may be left out" : null,
  ].filter(Boolean);
  return words.length ? `(${words.join(", ")})` : nothing;
}

function control(field, { id, about, invalid }) {
  const name = `field ${field.name}`;
  switch (field.kind) {
    case "choice":
      return select(
        { id, name, about, invalid },
        field.choices.map((value, index) => [String(index), text(value), value === field.initial]),
      );
    case "boolean":
      return select(
        { id, name, about, invalid },
        [true, false].map((value) => [String(value), value ? "yes" : "no", value === field.initial]),
      );
    case "lines":
      return html`<textarea id=${id} name=${name} rows="4" spellcheck="false" aria-describedby=${about}
        aria-invalid=${invalid} .defaultValue=${Array.isArray(field.initial) ? field.initial.join("\n") : ""}></textarea>`;
    default:
      return html`<input id=${id} name=${name} inputmode=${field.kind === "text" ? "text" : "decimal"}
        autocomplete="off" spellcheck="false" aria-describedby=${about} aria-invalid=${invalid}
        placeholder=${placeholder(field)}>`;
  }
}

function placeholder({ initial }) {
  return initial === undefined || initial === null ? "" : text(initial);
}

function select({ id, name, about, invalid }, options) {
  return html`<select id=${id} name=${name} aria-describedby=${about} aria-invalid=${invalid}>
    <option value="">–</option>
    ${options.map(([value, label, chosen]) => html`<option value=${value} .defaultSelected=${chosen}>${label}</option>`)}
  </select>`;
}
