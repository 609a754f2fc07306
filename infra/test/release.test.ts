// The release: its packaging, with the programs that the tests build for this machine, and its workflow.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";

import { temporaryFolder } from "./support/folder.ts";
import { builtProgram, packRelease, ROOT, VERSION } from "./support/release.ts";
import { projectFile } from "./support/rust.ts";
import { site, synthesise } from "./support/site.ts";

const folder = temporaryFolder();
const built = path.join(folder, "built");
const out = path.join(folder, "release");

function succeed(program: string, args: readonly string[], cwd = folder): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: "utf8" });
  assert.equal(status, 0, `${program} ${args.join(" ")}: ${stderr}${stdout}`);
  return stdout;
}

function place(program: string, target: string): void {
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.symlinkSync(builtProgram(program), target);
}

before(() => {
  for (const name of ["scan", "provision"]) place(name, path.join(built, "functions-x86-64", name, "bootstrap"));
  place("provisioner", path.join(built, "tool-linux-x86-64", "provisioner"));
  // What is packed for other systems can't run here, so its content does not matter.
  fs.mkdirSync(path.join(built, "tool-windows-x86-64"));
  fs.writeFileSync(path.join(built, "tool-windows-x86-64", "provisioner.exe"), "MZ");
  const { status, stderr } = packRelease(built, out);
  assert.equal(status, 0, stderr);
});

test("a release has an archive for each build, the npm package, four dependency documents, and their sums", () => {
  const names = [
    "functions-x86-64.zip",
    "infra.cdx.json",
    "linux-x86-64.tar.gz",
    "provision.cdx.json",
    "scan.cdx.json",
    "tool.cdx.json",
    "windows-x86-64.zip",
  ].map((name) => `provisioner-${VERSION}-${name}`);
  assert.deepEqual(fs.readdirSync(out).sort(), ["SHA256SUMS", ...names, `provisioner-infra-${VERSION}.tgz`].sort());
  const checked = succeed("sha256sum", ["--check", "SHA256SUMS"], out);
  assert.equal(checked.match(/: OK$/gm)?.length, names.length + 1);
});

test("the unzipped functions are deployed as they are", () => {
  const lambda = path.join(folder, "lambda");
  succeed("unzip", ["-q", path.join(out, `provisioner-${VERSION}-functions-x86-64.zip`), "-d", lambda]);
  const { app } = synthesise({ artefacts: lambda, architecture: "x86_64" }, site());
  app.synth();
  assert.deepEqual(fs.readFileSync(path.join(lambda, "scan", "bootstrap")), fs.readFileSync(builtProgram("scan")));
});

test("the unpacked terminal tool runs", () => {
  const tool = path.join(folder, "tool");
  fs.mkdirSync(tool);
  succeed("tar", ["-xzf", path.join(out, `provisioner-${VERSION}-linux-x86-64.tar.gz`), "-C", tool]);
  assert.deepEqual(fs.readdirSync(tool).sort(), ["LICENSE", "README.md", "completions", "provisioner", "provisioner.1"]);
  assert.match(fs.readFileSync(path.join(tool, "provisioner.1"), "utf8"), /^\.TH provisioner 1/m);
  succeed("bash", ["-n", path.join(tool, "completions", "provisioner.bash")]);
  assert.equal(succeed(path.join(tool, "provisioner"), ["-V"]), `provisioner ${VERSION}\n`);
  assert.match(succeed(path.join(tool, "provisioner"), ["--version"]), / \(commit [0-9a-f]{12}\)\n$/);
});

test("the dependency documents are valid CycloneDX and list what the lock files pin", () => {
  const schemas = fileURLToPath(new URL("../node_modules/@cyclonedx/cyclonedx-library/res/schema/", import.meta.url));
  const schema = (name: string): object => JSON.parse(fs.readFileSync(path.join(schemas, `${name}.SNAPSHOT.schema.json`), "utf8")) as object;
  // The schemas name each other by the names of their files.
  const named = ["spdx", "jsf-0.82", "cryptography-defs"].map((name) => ({ ...schema(name), $id: `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json` }));
  const ajv = new Ajv({ strict: false, validateFormats: false, schemas: named });
  const locked = new Set([...projectFile("Cargo.lock").matchAll(/^name = "(.*)"\nversion = "(.*)"$/gm)].map((match) => `${match[1]} ${match[2]}`));
  for (const [name, needed] of [["scan", "rustls"], ["provision", "reqwest"], ["tool", "rusqlite"], ["infra", "smol-toml"]] as const) {
    const text = fs.readFileSync(path.join(out, `provisioner-${VERSION}-${name}.cdx.json`), "utf8");
    const document = JSON.parse(text) as { specVersion: string; components: { name: string; version: string }[] };
    const own = schema(`bom-${document.specVersion}`) as { $id: string };
    const validate = ajv.getSchema(own.$id) ?? ajv.compile(own);
    assert.ok(validate(document), `${name}: ${JSON.stringify(validate.errors?.slice(0, 3))}`);
    assert.ok(document.components.some((component) => component.name === needed), `${name} lists no ${needed}`);
    if (name === "infra") continue;
    for (const component of document.components) assert.ok(locked.has(`${component.name} ${component.version}`), `${name}: ${component.name}`);
  }
});

test("the same programs give the same archives", () => {
  const again = path.join(folder, "again");
  fs.mkdirSync(path.join(folder, "one"));
  fs.symlinkSync(path.join(built, "tool-linux-x86-64"), path.join(folder, "one", "tool-linux-x86-64"));
  assert.equal(packRelease(path.join(folder, "one"), again).status, 0);
  const name = `provisioner-${VERSION}-linux-x86-64.tar.gz`;
  assert.ok(fs.readFileSync(path.join(again, name)).equals(fs.readFileSync(path.join(out, name))));
});

test("programs of another machine, missing programs and an empty folder are refused", () => {
  const refused = (files: Record<string, string>): string => {
    const from = temporaryFolder();
    for (const [file, content] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(path.join(from, file)), { recursive: true });
      fs.writeFileSync(path.join(from, file), content);
    }
    const { status, stderr } = packRelease(from, path.join(from, "out"));
    assert.equal(status, 1);
    return stderr.replaceAll(from, "FROM");
  };
  assert.match(refused({}), /^error: there is nothing to pack in FROM; it holds folders such as functions-arm64/);
  assert.match(refused({ "functions-arm64/scan/bootstrap": "#!/bin/sh" }), /^error: FROM\/functions-arm64\/scan\/bootstrap is for no machine that Lambda has, not for arm64/);
  assert.match(refused({ "tool-linux-x86-64/other": "" }), /^error: there is no FROM\/tool-linux-x86-64\/provisioner/);
});

test("every action is pinned by commit, and the workflow builds what the package script packs", () => {
  const workflows = fs.readdirSync(path.join(ROOT, ".github", "workflows"));
  for (const name of workflows) {
    const uses = [...projectFile(`.github/workflows/${name}`).matchAll(/^\s*(?:- )?uses: (.*)$/gm)].map((match) => match[1] ?? "");
    assert.ok(uses.length > 0, name);
    for (const action of uses) assert.match(action, /^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, name);
  }
  // A failing step fails its job.
  for (const name of workflows) assert.doesNotMatch(projectFile(`.github/workflows/${name}`), /continue-on-error|\|\| true/, name);
  const release = projectFile(".github/workflows/release.yml");
  assert.match(release, /^on:\n  push:\n    tags: \["v\*"\]\n/m);
  const systems = [...release.matchAll(/system: ([\w-]+), target: ([\w-]+)/g)].map((match) => `${match[1]} ${match[2]}`);
  assert.deepEqual(systems, [
    "linux-x86-64 x86_64-unknown-linux-musl",
    "linux-arm64 aarch64-unknown-linux-musl",
    "macos-x86-64 x86_64-apple-darwin",
    "macos-arm64 aarch64-apple-darwin",
    "windows-x86-64 x86_64-pc-windows-msvc",
  ]);
  assert.match(release, /machine: \[arm64, x86-64\]/);
  // Artefacts become folders of their names, which are those that the script looks for.
  assert.deepEqual([...release.matchAll(/^\s+name: (functions|tool)-\$/gm)].map((match) => match[1]), ["functions", "tool"]);
  assert.match(release, /^ {6}- run: infra\/package built release$/m);
  const [, sbom] = /SBOM_VERSION=(.*)/.exec(projectFile("tests/run")) ?? [];
  assert.ok(release.includes(`cargo-sbom --version ${sbom}\n`));
});
