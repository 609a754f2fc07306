import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";

import { ARM64, elf, writeArtefacts } from "./artefacts.ts";
import { writeFolder } from "./connections.ts";
import { temporaryFolder } from "./folder.ts";
import { builtProgram, packRelease, ROOT } from "./release.ts";
import { pythonTool } from "./tools.ts";

/** One call that a stand-in recorded. */
export interface Call {
  readonly service: string;
  readonly operation: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly query: string;
}

/** One run of a program in place of which a stand-in was called. */
export interface ProgramRun {
  readonly program: string;
  readonly args: readonly string[];
}

/** A code block of a document. */
export interface Block {
  readonly language: string;
  readonly text: string;
}

export function blocksOf(document: string): Block[] {
  return [...document.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map((match) => ({ language: match[1] ?? "", text: match[2] ?? "" }));
}

/**
 * A clone of the repository with a downloaded release in it, and stand-ins for what needs an account, a registry, a compiler or a
 * directory. Everything else is real: bash, unzip, the CDK, the terminal tool, the scripts of the repository.
 */
export class Clone {
  readonly folder = temporaryFolder();
  readonly infra = path.join(this.folder, "infra");
  private readonly standIn = temporaryFolder();
  private readonly bin = path.join(this.standIn, "bin");

  constructor() {
    const link = (name: string): void => fs.symlinkSync(path.join(ROOT, name), path.join(this.folder, name));
    for (const name of ["functions", "shared", "Cargo.toml", "CHANGELOG.md"]) link(name);
    fs.mkdirSync(this.infra);
    for (const name of fs.readdirSync(path.join(ROOT, "infra"))) {
      if (!["cdk.out", "dist", "README.md"].includes(name)) link(path.join("infra", name));
    }
    this.program(path.join(this.folder, "tests", "run"), this.record("tests/run"));
    this.standIns();
    this.download();
  }

  private program(file: string, script: string): void {
    writeFolder(path.dirname(file), { [path.basename(file)]: `#!/usr/bin/env bash\nset -euo pipefail\n${script}\n` });
    fs.chmodSync(file, 0o755);
  }

  /** A line that notes the program's arguments. */
  private record(program: string): string {
    return `printf '%s\\n' '${program}' "$@" '' >>'${path.join(this.standIn, "runs")}'`;
  }

  private standIns(): void {
    const { standIn } = this;
    const real = builtProgram("provisioner");
    const header = path.join(standIn, "elf");
    fs.writeFileSync(header, elf(ARM64), { mode: 0o755 });
    const add = (name: string, script: string): void => this.program(path.join(this.bin, name), script);
    add("aws", `STAND_IN='${standIn}' exec '${pythonTool("python")}' '${path.join(import.meta.dirname, "aws.py")}' "$@"`);
    // A version manager's python3 changes the PATH.
    add("python3", `exec '${pythonTool("python")}' "$@"`);
    // Without a directory the tool can't run (1). A misspelt command or a refused configuration is another exit code (2).
    const tool = `${this.record("provisioner")}\n'${real}' "$@" || { code=$?; [ $code -eq 1 ] || exit $code; }`;
    add("provisioner", tool);
    add("npm", `${this.record("npm")}\n[ -f package-lock.json ]`);
    add(
      "cargo",
      `${this.record("cargo")}
case "$1 $2" in
  'run --') shift 2; '${real}' "$@" >/dev/null ;;
  'install --path') [ -f "$3/Cargo.toml" ] && grep -q '^name = "provisioner"' "$3/Cargo.toml" ;;
  'lambda --version') ;;
  'lambda build') mkdir -p "target/lambda/\${@: -1}" && cp '${header}' "target/lambda/\${@: -1}/bootstrap" ;;
  *) exit 101 ;;
esac`,
    );
    // `cdk synth` is real. What needs an account runs the app with the same settings, without the validation that takes most of
    // its time; what it would deploy is kept.
    const app = `node --no-warnings --import '${import.meta.resolve("tsx")}' '${path.join(import.meta.dirname, "cdk.ts")}'`;
    add(
      "npx",
      `[ "$1" = cdk ] || PATH="\${PATH#*:}" exec npx "$@"
shift
${this.record("cdk")}
command="$1"; shift
number="$(find '${standIn}' -maxdepth 1 -name 'synth-*' | wc -l)"
out="$(printf '${standIn}/synth-%03d' "$number")"
case "$command" in
  synth) PATH="\${PATH#*:}" npx cdk synth --no-notices -o "$out" "$@" ;;
  deploy | diff) CDK_VALIDATION=false ${app} "$out" "$@" ;;
  bootstrap | destroy) CDK_VALIDATION=false ERRORS_ALLOWED=true ${app} "$(mktemp -d '${standIn}/XXXX')" "$@" ;;
  *) exit 64 ;;
esac`,
    );
  }

  /** A release as it is downloaded: the archives beside the source. The tool in it is the stand-in. */
  private download(): void {
    const built = temporaryFolder();
    writeArtefacts(path.join(built, "functions-arm64"));
    fs.mkdirSync(path.join(built, "tool-linux-x86-64"));
    fs.copyFileSync(path.join(this.bin, "provisioner"), path.join(built, "tool-linux-x86-64", "provisioner"));
    const out = path.join(built, "release");
    const { status, stderr } = packRelease(built, out);
    if (status !== 0) throw new Error(stderr);
    // Packing starts the tool for its manual page and completions. These runs are of no document.
    fs.rmSync(path.join(this.standIn, "runs"));
    for (const name of fs.readdirSync(out)) fs.copyFileSync(path.join(out, name), path.join(this.folder, name));
  }

  write(files: Readonly<Record<string, string>>): void {
    writeFolder(this.folder, files);
  }

  /** What `aws` answers, by "SERVICE OPERATION". */
  answer(answers: Readonly<Record<string, unknown>>): void {
    fs.writeFileSync(path.join(this.standIn, "answers.json"), JSON.stringify(answers));
  }

  /** Runs a script, in the folder that its commands name. */
  run(script: string, folder = this.folder): { status: number | null; stdout: string; stderr: string } {
    const env = {
      ...process.env,
      CDK_DISABLE_CLI_TELEMETRY: "true",
      CDK_VALIDATION: "true",
      PATH: `${this.bin}:${process.env["PATH"]}`,
      AWS_ENDPOINT_URL: "http://127.0.0.1:1",
      AWS_REGION: "eu-west-1",
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_MAX_ATTEMPTS: "1",
    };
    return spawnSync("bash", ["-euo", "pipefail", "-O", "expand_aliases", "-c", script], { cwd: folder, encoding: "utf8", env });
  }

  get calls(): Call[] {
    const file = path.join(this.standIn, "calls");
    return fs.existsSync(file) ? fs.readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line) as Call) : [];
  }

  get runs(): ProgramRun[] {
    const file = path.join(this.standIn, "runs");
    if (!fs.existsSync(file)) return [];
    return fs.readFileSync(file, "utf8").trim().split("\n\n").map((entry) => {
      const [program = "", ...args] = entry.split("\n");
      return { program, args };
    });
  }

  /** Templates of the CDK's runs, in order. */
  get templates(): { readonly Resources: Record<string, TemplateResource>; readonly Outputs: Record<string, { Description: string }> }[] {
    const folders = fs.readdirSync(this.standIn).filter((name) => name.startsWith("synth-")).sort();
    return folders.flatMap((folder) => {
      const [file] = fs.readdirSync(path.join(this.standIn, folder)).filter((name) => name.endsWith(".template.json"));
      return file === undefined ? [] : [JSON.parse(fs.readFileSync(path.join(this.standIn, folder, file), "utf8"))];
    });
  }
}

export interface TemplateResource {
  readonly Type: string;
  readonly Properties: Record<string, never>;
}
