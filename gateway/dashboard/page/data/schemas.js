/** Which fields a form for a schema has; null where only JSON will do. */

/** Fields that a form has at most. */
const MOST_FIELDS = 30;

/**
 * Return the fields of an object's schema, each `{name, kind, required, …}` with the kind "text",
 * "number", "integer", "boolean", "choice" or "lines"; null if the schema is of anything else.
 */
export function fieldsOf(about) {
  const schema = withoutNull(about.resolve(about.schema), about.resolve).schema;
  const types = typesOf(schema);
  if (!types.includes("object") || !schema.properties) return null;
  if (["allOf", "anyOf", "oneOf", "patternProperties", "if", "not"].some((key) => key in schema)) return null;
  const entries = Object.entries(schema.properties);
  if (!entries.length || entries.length > MOST_FIELDS) return null;
  const required = new Set(schema.required ?? []);
  const fields = entries.map(([name, each]) => field(name, each, required.has(name), about.resolve));
  return fields.every(Boolean) ? fields : null;
}

function field(name, given, required, resolve) {
  const { schema, nullable } = withoutNull(resolve(given), resolve);
  const common = {
    name,
    required,
    nullable,
    title: typeof schema.title === "string" ? schema.title : name,
    help: schema.description ?? given.description ?? "",
    initial: "default" in given ? given.default : schema.default,
  };
  if ("const" in schema) return { ...common, kind: "choice", choices: [schema.const] };
  if (Array.isArray(schema.enum)) {
    const choices = schema.enum.filter((value) => value !== null);
    return choices.every(isScalar) ? { ...common, kind: "choice", choices } : null;
  }
  const [type, ...others] = typesOf(schema);
  if (others.length) return null;
  const limits = { minimum: schema.minimum, maximum: schema.maximum, longest: schema.maxLength };
  switch (type) {
    case "string":
      return { ...common, ...limits, kind: "text" };
    case "number":
    case "integer":
      return { ...common, ...limits, kind: type };
    case "boolean":
      return { ...common, kind: "boolean" };
    case "array": {
      const [kind, ...more] = typesOf(resolve(schema.items ?? {}));
      const plain = ["string", "number", "integer"].includes(kind) && !more.length;
      return plain ? { ...common, kind: "lines", of: kind } : null;
    }
    default:
      return null;
  }
}

/** A schema without its alternative null, and whether it had one. */
function withoutNull(schema, resolve) {
  const ways = schema.anyOf ?? schema.oneOf;
  if (!Array.isArray(ways)) {
    return { schema, nullable: typesOf(schema, true).includes("null") || (schema.enum ?? []).includes(null) };
  }
  const others = ways.map(resolve).filter((each) => each.type !== "null");
  if (others.length !== 1) return { schema, nullable: false };
  const { anyOf: _, oneOf: __, ...beside } = schema;
  return { schema: { ...others[0], ...beside }, nullable: others.length < ways.length };
}

function typesOf(schema, withNull = false) {
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  return types.filter((type) => type && (withNull || type !== "null"));
}

function isScalar(value) {
  return ["string", "number", "boolean"].includes(typeof value);
}

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** The JSON text of what a form's fields hold; numbers stay as they were typed. */
export function written(fields, value) {
  const members = [];
  for (const each of fields) {
    const typed = value(each.name);
    const json = member(each, typed);
    if (json !== null) members.push(`${JSON.stringify(each.name)}: ${json}`);
  }
  return members.length ? `{\n  ${members.join(",\n  ")}\n}` : "{}";
}

function member(each, typed) {
  const empty = typed === "" || typed === null;
  switch (each.kind) {
    case "boolean":
      return empty ? null : typed;
    case "choice":
      return empty ? null : JSON.stringify(each.choices[Number(typed)]);
    case "lines": {
      const lines = String(typed).split("\n").map((line) => line.trim()).filter(Boolean);
      if (!lines.length && !each.required) return null;
      return `[${lines.map((line) => (each.of === "string" ? JSON.stringify(line) : numeral(line))).join(", ")}]`;
    }
    case "text":
      return empty && !each.required ? null : JSON.stringify(typed);
    default:
      return empty ? null : numeral(typed.trim());
  }
}

/** A number as JSON; what is none is sent as a text, and the gateway says what is wrong with it. */
function numeral(typed) {
  return NUMBER.test(typed) ? typed : JSON.stringify(typed);
}

/** The name of the field to which a JSON pointer leads. */
export function fieldAt(pointer) {
  return String(pointer ?? "").split("/")[1]?.replaceAll("~1", "/").replaceAll("~0", "~") ?? "";
}
