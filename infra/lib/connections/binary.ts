import { spawnSync } from "node:child_process";

import { Mistake } from "../mistake.ts";
import type { Connection } from "./connection.ts";

/** Lets the provisioner itself check each file, which knows more than a schema: filters, expressions, attribute names. */
export function checkWithProvisioner(binary: string, connections: readonly Connection[]): void {
  for (const { file } of connections) {
    const run = spawnSync(binary, ["check", "--offline", "--config", file], { encoding: "utf8" });
    if (run.error !== undefined) {
      throw new Mistake(
        `provisioner: can't run ${binary} (${run.error.message}); name the program that cargo build --release makes, or leave it out`,
      );
    }
    if (run.status !== 0) {
      const said = `${run.stderr}\n${run.stdout}`.split("\n").map((line) => line.trim()).find((line) => line !== "");
      throw new Mistake(`${file}: ${binary} check --offline refuses it: ${said ?? `exit code ${run.status}`}`);
    }
  }
}
