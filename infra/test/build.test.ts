// The build script with a stand-in for the compiler: its commands, and its errors.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { BINARIES } from "../lib/contract.ts";
import { temporaryFolder } from "./support/folder.ts";

const SCRIPT = fileURLToPath(new URL("../build", import.meta.url));

/** A checkout with the script, and a cargo and a rustc in the PATH that print their arguments. */
class Checkout {
  readonly folder = temporaryFolder();
  readonly asked = path.join(this.folder, "asked");

  constructor({ arm, cargo }: { arm: boolean; cargo: string }) {
    fs.mkdirSync(path.join(this.folder, "infra"));
    fs.copyFileSync(SCRIPT, path.join(this.folder, "infra", "build"));
    const sysroot = path.join(this.folder, "sysroot");
    fs.mkdirSync(path.join(sysroot, "lib", "rustlib", arm ? "aarch64-unknown-linux-gnu" : "x86_64-unknown-linux-gnu"), { recursive: true });
    this.program("rustc", `echo '${sysroot}'`);
    this.program("cargo", `if [ "$2" = --version ]; then exit 0; fi\necho "$@" >> '${this.asked}'\n${cargo}`);
  }

  program(name: string, script: string): void {
    const bin = path.join(this.folder, "bin");
    fs.mkdirSync(bin, { recursive: true });
    fs.writeFileSync(path.join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }

  run(...args: string[]): { status: number | null; stdout: string; stderr: string; asked: string } {
    const env = { ...process.env, PATH: `${path.join(this.folder, "bin")}:${process.env["PATH"]}` };
    const run = spawnSync(path.join(this.folder, "infra", "build"), args, { encoding: "utf8", env });
    const asked = fs.existsSync(this.asked) ? fs.readFileSync(this.asked, "utf8") : "";
    return { ...run, asked };
  }
}

/** Output and files of a build. */
const BUILDS = BINARIES.map(
  (name) => `mkdir -p target/lambda/${name} && head -c 1500000 /dev/zero > target/lambda/${name}/bootstrap`,
).join("\n");

test("the build is for arm64 where the target is installed, and prints sizes", () => {
  const { status, stdout, asked } = new Checkout({ arm: true, cargo: BUILDS }).run();
  const command = "lambda build --profile function --locked --arm64 --lambda-dir target/lambda";
  // One build for each, because a joint build unifies the features of both.
  assert.equal(asked, BINARIES.map((name) => `${command} --package ${name}-function --bin ${name}\n`).join(""));
  assert.match(stdout, /^scan +arm64 +1\.5 MB, compressed 0\.0 MB\nprovision +arm64 +1\.5 MB, compressed 0\.0 MB\n$/);
  assert.equal(status, 0);
});

test("the build is for x86-64 elsewhere and on request", () => {
  assert.match(new Checkout({ arm: false, cargo: BUILDS }).run().asked, / --x86-64 /);
  assert.match(new Checkout({ arm: true, cargo: BUILDS }).run("x86-64").asked, / --x86-64 /);
});

test("the build reports a missing tool or target", () => {
  const arm = new Checkout({ arm: false, cargo: BUILDS }).run("arm64");
  assert.equal(arm.stderr, "error: the Rust target aarch64-unknown-linux-gnu is not installed; run: rustup target add aarch64-unknown-linux-gnu\n");
  assert.equal(arm.status, 1);
  const other = new Checkout({ arm: true, cargo: BUILDS }).run("sparc");
  assert.equal(other.stderr, "error: unknown machine sparc; arm64 and x86-64 are what Lambda has\n");
  const without = new Checkout({ arm: true, cargo: BUILDS });
  without.program("cargo", "exit 101");
  assert.match(without.run().stderr, /^error: cargo-lambda is missing; \.\/tests\/run installs it/);
});

test("a failed build exits with an error and leaves no old program", () => {
  assert.equal(new Checkout({ arm: true, cargo: "exit 7" }).run().status, 7);
  const checkout = new Checkout({ arm: true, cargo: "exit 0" });
  const old = path.join(checkout.folder, "target", "lambda", "scan", "bootstrap");
  fs.mkdirSync(path.dirname(old), { recursive: true });
  fs.writeFileSync(old, "of yesterday");
  const { status, stderr } = checkout.run();
  assert.match(stderr, /left no target\/lambda\/scan\/bootstrap$/m);
  assert.equal(status, 1);
});
