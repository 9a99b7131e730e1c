/** The functions that can be begun, from /openapi.json. */

import { document as openapi } from "./api.js";

/** Return `{names, of}`: the names, the default one first, and each one's schema and default. */
export async function functions() {
  const document = await openapi();
  const schemas = document?.components?.schemas ?? {};
  const parameters = document?.paths?.["/begin"]?.post?.parameters ?? [];
  const parameter = parameters.find((each) => each.name === "function");
  const names = [...(schemas.function?.enum ?? [])];
  const preferred = parameter?.required ? null : parameter?.example;
  names.sort((one, other) => (other === preferred) - (one === preferred));
  const examples =
    document?.paths?.["/begin"]?.post?.requestBody?.content?.["application/json"]?.examples ?? {};
  const about = new Map(names.map((name) => [name, described(document, schemas, examples, name)]));
  return { names, of: (name) => about.get(name) };
}

function described(document, schemas, examples, name) {
  const schema = schemas[`input-${name}`] ?? {};
  return {
    name,
    summary: schema.description ?? "",
    schema,
    initial: "default" in schema ? schema.default : (examples[name]?.value ?? null),
    resolve: (each) => resolved(document, each),
  };
}

/** Follow references within the document; a schema that refers to itself ends at some depth. */
function resolved(document, schema) {
  let found = schema;
  for (let depth = 0; depth < 20 && typeof found?.$ref === "string"; depth += 1) {
    const { $ref: reference, ...beside } = found;
    if (!reference.startsWith("#/")) return {};
    const target = reference
      .slice(2)
      .split("/")
      .map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"))
      .reduce((value, part) => value?.[part], document);
    found = { ...target, ...beside };
  }
  return found ?? {};
}
