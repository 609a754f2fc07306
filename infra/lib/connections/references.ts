import * as fs from "node:fs";
import * as path from "node:path";

import { Mistake } from "../mistake.ts";

/** Id of a secret in Secrets Manager. The other forms, which the terminal accepts, would deploy the secret itself. */
export function secretOf(file: string, key: string, text: string): string {
  const [scheme, id] = split(text);
  if (scheme === "secretsmanager" && id !== "") return id;
  const example = `secret = "secretsmanager:${key === "directory.secret" ? "corp/directory" : "corp/workplace"}"`;
  const advice = `keep it in AWS Secrets Manager and name it here, such as ${example}`;
  if (scheme === "file") {
    throw new Mistake(
      `${file}, key ${key}: ${text} would be in a Lambda layer, readable with the permission to read the code; ${advice}`,
    );
  }
  if (scheme === "env") {
    throw new Mistake(
      `${file}, key ${key}: ${text} would be in the function's configuration, readable with the permission to read the configuration; ${advice}`,
    );
  }
  // The text may be the secret itself, so it is not shown.
  throw new Mistake(`${file}, key ${key}: must name a secret in AWS Secrets Manager, such as ${example}`);
}

function split(text: string): [string, string] {
  const colon = text.indexOf(":");
  return colon < 0 ? ["", text] : [text.slice(0, colon), text.slice(colon + 1)];
}

/** Path of the certificate authority's file, relative to the connection file. */
export function authorityOf(file: string, text: string): string {
  const fail = (problem: string): never => {
    throw new Mistake(`${file}, key directory.ca: ${problem}`);
  };
  const written = text.startsWith("file:") ? text.slice("file:".length) : undefined;
  if (written === undefined || written === "") return fail("must be file:PATH of a PEM file");
  const relative = path.normalize(written);
  if (path.isAbsolute(relative) || relative.startsWith("..")) {
    return fail(`${written} is outside the folder of the configuration; move it beside the connection file`);
  }
  const place = path.join(path.dirname(file), relative);
  if (!fs.statSync(place, { throwIfNoEntry: false })?.isFile()) {
    return fail(`there is no file ${place}; put the directory's certificate authority there, as PEM`);
  }
  const pem = fs.readFileSync(place, "utf8");
  if (pem.includes("PRIVATE KEY")) return fail(`${place} holds a private key; only the certificate belongs there`);
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) return fail(`${place} holds no certificate in PEM form`);
  return relative;
}
