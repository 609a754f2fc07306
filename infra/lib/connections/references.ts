import * as fs from "node:fs";
import * as path from "node:path";

import { Mistake } from "../mistake.ts";

/** A secret's id in Secrets Manager. The other forms that a terminal may use would carry the secret itself into AWS. */
export function secretOf(file: string, key: string, text: string): string {
  const example = key === "directory.secret" ? "corp/directory" : "corp/workplace";
  const advice = `keep it in AWS Secrets Manager and name it here, such as secret = "${example}"`;
  if (text.startsWith("file:")) {
    throw new Mistake(
      `${file}, key ${key}: ${text} would lie in a Lambda layer, readable for everybody who may read the code; ${advice}`,
    );
  }
  if (text.startsWith("env:")) {
    throw new Mistake(
      `${file}, key ${key}: ${text} would stand in the function's configuration, readable for everybody who may look at it; ${advice}`,
    );
  }
  if (text.trim() === "" || text.trimStart().startsWith("{")) {
    throw new Mistake(`${file}, key ${key}: this is no id of a secret; ${advice}`);
  }
  return text;
}

/** The certificate authority's file, relative to the connection's own, as it will lie beside it in the layer. */
export function authorityOf(file: string, text: string): string {
  const fail = (problem: string): never => {
    throw new Mistake(`${file}, key directory.ca: ${problem}`);
  };
  const written = text.startsWith("file:") ? text.slice("file:".length) : undefined;
  if (written === undefined || written === "") return fail("must be file:PATH of a PEM file");
  const relative = path.normalize(written);
  if (path.isAbsolute(relative) || relative.startsWith("..")) {
    return fail(`${written} is outside of the configuration's folder; put it beside the connection file and name it from there`);
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
