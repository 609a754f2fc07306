import * as fs from "node:fs";
import { fileURLToPath } from "node:url";
import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";

import { hint, Mistake } from "../mistake.ts";

/** The schema that the functions' own types yield: in the repository where it is made, in the npm package beside the construct. */
const PLACES = ["../../../shared/runtime/connection.schema.json", "../connection.schema.json"];

function schemaFile(): string {
  const files = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const found = files.find((file) => fs.existsSync(file));
  if (found === undefined) throw new Error(`the connection's JSON Schema is missing: ${files.join(", ")}`);
  return found;
}

interface Schema {
  $defs: Record<string, { properties: Record<string, { default?: unknown }> }>;
}

let loaded: { schema: Schema; validate: ValidateFunction } | undefined;

function load(): { schema: Schema; validate: ValidateFunction } {
  if (loaded === undefined) {
    const schema = JSON.parse(fs.readFileSync(schemaFile(), "utf8")) as Schema;
    // The formats are Rust's number types; their limits stand beside them as minimum and maximum.
    const ajv = new Ajv2020({ allErrors: true, verbose: true, strict: false, validateFormats: false });
    loaded = { schema, validate: ajv.compile(schema) };
  }
  return loaded;
}

/** Checks a connection file's shape. */
export function checkSchema(file: string, table: Record<string, unknown>): void {
  const { validate } = load();
  if (validate(table)) return;
  const worst = mostTelling(validate.errors ?? []);
  if (worst === undefined) throw new Mistake(`${file}: is no connection file`);
  throw new Mistake(`${file}${place(worst)}: ${problem(worst)}`);
}

/** How many calls the target gets at a time where the file doesn't say. */
export function defaultConcurrency(): number {
  const value = load().schema.$defs["TargetTable"]?.properties["concurrency"]?.default;
  if (typeof value !== "number") {
    throw new Mistake("the connection's JSON Schema gives no default for target.concurrency; it should be a number");
  }
  return value;
}

/**
 * Where a value may have several shapes, each shape complains. The complaint about an unknown key is the one that
 * helps; then what is deepest, because that shape was the nearest.
 */
function mostTelling(errors: ErrorObject[]): ErrorObject | undefined {
  const summaries = new Set(["anyOf", "oneOf", "if"]);
  const rank = (error: ErrorObject): number =>
    (summaries.has(error.keyword) ? 0 : 1000) +
    (error.keyword === "additionalProperties" ? 500 : 0) +
    (error.keyword === "type" || error.keyword === "const" ? 0 : 100) +
    error.instancePath.split("/").length;
  return [...errors].sort((a, b) => rank(b) - rank(a))[0];
}

function place(error: ErrorObject): string {
  const parts = error.instancePath.split("/").slice(1);
  const key = parts.map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~")).join(".");
  return key === "" ? "" : `, key ${key}`;
}

function problem(error: ErrorObject): string {
  const { keyword, params, parentSchema } = error;
  switch (keyword) {
    case "additionalProperties": {
      const unknown = String(params["additionalProperty"]);
      const known = Object.keys((parentSchema?.["properties"] as object | undefined) ?? {});
      return `unknown key ${unknown}${hint(unknown, known)}`;
    }
    case "required":
      return `the key ${String(params["missingProperty"])} is missing`;
    case "const":
      return `must be ${JSON.stringify(params["allowedValue"])}`;
    case "enum":
      return `must be one of ${(params["allowedValues"] as unknown[]).join(", ")}`;
    default:
      return error.message ?? keyword;
  }
}
