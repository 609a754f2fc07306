import * as fs from "node:fs";
import * as path from "node:path";
import { parse, TomlError } from "smol-toml";

import { Mistake } from "../mistake.ts";
import type { Connection, ConnectionFile } from "./connection.ts";
import { authorityOf, secretOf } from "./references.ts";
import { checkRules, directoryPort, targetPort } from "./rules.ts";
import { checkSchema, defaultConcurrency } from "./schema.ts";

export const CONFIG_MISSING = "config is missing; name a connection's TOML file or a folder of them (-c config=PATH)";

/** Reads a connection file, or all `.toml` files of a folder, and checks each as far as that goes without Rust. */
export function readConnections(config: string | undefined): Connection[] {
  if (config === undefined || config === "") throw new Mistake(CONFIG_MISSING);
  const connections = new Map<string, Connection>();
  for (const file of filesOf(config)) {
    const connection = readConnection(file);
    const other = connections.get(connection.name);
    if (other !== undefined) {
      throw new Mistake(
        `${file}, key name: ${other.file} has a connection of the name "${connection.name}" too; each needs its own`,
      );
    }
    connections.set(connection.name, connection);
  }
  return [...connections.values()];
}

function filesOf(config: string): string[] {
  const found = fs.statSync(config, { throwIfNoEntry: false });
  if (found === undefined) {
    throw new Mistake(
      `config: there is no file or folder ${config}; name a connection's TOML file or a folder of them`,
    );
  }
  if (!found.isDirectory()) {
    // The functions read the folder that the layer becomes, and there only files of this name.
    if (!config.endsWith(".toml")) {
      throw new Mistake(`config: ${config} is no .toml file; name a connection's TOML file or a folder of them`);
    }
    return [config];
  }
  const files = fs.readdirSync(config).filter((name) => name.endsWith(".toml")).sort();
  if (files.length === 0) {
    throw new Mistake(`config: there is no connection in the folder ${config}; put a .toml file for each into it`);
  }
  return files.map((name) => path.join(config, name));
}

function readConnection(file: string): Connection {
  const table = parseToml(file);
  checkSchema(file, table);
  const written = table as unknown as ConnectionFile;
  checkRules(file, written);
  const { name, directory, target } = written;
  return {
    name,
    file,
    directorySecret:
      directory.secret === undefined ? undefined : secretOf(file, "directory.secret", directory.secret),
    targetSecret: secretOf(file, "target.secret", target.secret),
    authority: directory.ca === undefined ? undefined : authorityOf(file, directory.ca),
    directoryPorts: [directory.url].flat().map((url) => directoryPort(file, url)),
    targetPort: targetPort(file, target.url),
    concurrency: target.concurrency ?? defaultConcurrency(),
  };
}

function parseToml(file: string): Record<string, unknown> {
  try {
    return parse(fs.readFileSync(file, "utf8"));
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The first line says what is wrong; the rest draws the place, which has a line and a column of its own here.
    const problem = error.message.split("\n")[0]?.replace(/^Invalid TOML document: /, "");
    throw new Mistake(`${file}:${error.line}:${error.column}: ${problem}`);
  }
}
