import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";

import { projectFile } from "./rust.ts";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** The build before the tests leaves the programs here. */
const PROGRAMS = process.env["PROVISIONER_TEST_PROGRAMS"] ?? path.join(ROOT, "target", "debug");
export const VERSION = /^\[workspace\.package\]\nversion = "([^"]+)"/m.exec(projectFile("Cargo.toml"))?.[1] ?? "";

/** A program of this build. */
export function builtProgram(name: string): string {
  const file = path.join(PROGRAMS, name);
  assert.ok(fs.existsSync(file), `there is no ${file}; build the programs first: cargo build --workspace --bins`);
  return file;
}

/** Runs `infra/package`. */
export function packRelease(built: string, out: string): { status: number | null; stderr: string } {
  const env = { ...process.env, PATH: `${path.join(ROOT, "target", "tools", "bin")}:${process.env["PATH"]}`, SOURCE_DATE_EPOCH: "1700000000" };
  return spawnSync(path.join(ROOT, "infra", "package"), [built, out], { encoding: "utf8", env });
}
