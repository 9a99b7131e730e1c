/** The functions that can be begun. */

import { catalog } from "./api.js";

/** Return `{names, of}`: the names, the default one first, and what is known of each. */
export async function functions() {
  const told = await catalog();
  const known = new Map((told.functions ?? []).map((each) => [each.name, described(each)]));
  const names = [...known.keys()].sort((one, other) => (other === told.default) - (one === told.default));
  return { names, of: (name) => known.get(name) };
}

function described({ name, summary, input_schema: schema, default_input: initial }) {
  return {
    name,
    summary: summary ?? "",
    schema: schema ?? {},
    initial: initial ?? null,
    resolve: (each) => resolved(schema, each),
  };
}

/** Follow references within the schema; one that leads to itself ends at some depth. */
function resolved(root, schema) {
  let found = schema;
  for (let depth = 0; depth < 20 && typeof found?.$ref === "string"; depth += 1) {
    const { $ref: reference, ...beside } = found;
    if (!reference.startsWith("#/")) return {};
    const target = reference
      .slice(2)
      .split("/")
      .map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"))
      .reduce((value, part) => value?.[part], root);
    found = { ...target, ...beside };
  }
  return found ?? {};
}
