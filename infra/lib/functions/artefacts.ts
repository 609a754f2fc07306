import * as fs from "node:fs";
import * as path from "node:path";
import * as lambda from "aws-cdk-lib/aws-lambda";

import { BINARIES, HANDLER, type Binary } from "../contract.ts";
import { Mistake } from "../mistake.ts";
import { machineOf, type Machine } from "./elf.ts";

/** The functions as they were built. */
export interface Artefacts {
  readonly machine: Machine;
  readonly code: Readonly<Record<Binary, lambda.Code>>;
}

const BUILD = "build the functions with infra/build";

/** Reads `FOLDER/scan/bootstrap` and `FOLDER/provision/bootstrap`, and for which machine they are. */
export function readArtefacts(folder: string, expected?: Machine): Artefacts {
  const machines = BINARIES.map((binary) => ({ binary, machine: readMachine(folder, binary) }));
  const [first, ...others] = machines;
  if (first === undefined) throw new Mistake("there are no functions to deploy");
  for (const { binary, machine } of others) {
    if (machine !== first.machine) {
      throw new Mistake(
        `${folder}: ${first.binary} is for ${first.machine} and ${binary} for ${machine}; both must be for one machine, so ${BUILD}`,
      );
    }
  }
  if (expected !== undefined && expected !== first.machine) {
    throw new Mistake(
      `${folder}: the functions are for ${first.machine}, and architecture asks for ${expected}; ${BUILD} on a machine that has the Rust target for it, or leave architecture out`,
    );
  }
  return { machine: first.machine, code: { scan: code(folder, "scan"), provision: code(folder, "provision") } };
}

function readMachine(folder: string, binary: Binary): Machine {
  const file = path.join(folder, binary, HANDLER);
  const found = fs.statSync(file, { throwIfNoEntry: false });
  if (!found?.isFile()) {
    throw new Mistake(`there is no ${file}; ${BUILD}, or name the folder that has them (-c artefacts=FOLDER)`);
  }
  const machine = machineOf(file);
  if (typeof machine === "object") throw new Mistake(`${file} ${machine.problem}; ${BUILD}`);
  if ((found.mode & 0o111) === 0) throw new Mistake(`${file} is not executable, so Lambda can't start it; ${BUILD}`);
  return machine;
}

/** The program alone, whatever else a build leaves in its folder. */
function code(folder: string, binary: Binary): lambda.Code {
  return lambda.Code.fromAsset(path.join(folder, binary), { exclude: ["*", `!${HANDLER}`] });
}
