import * as fs from "node:fs";
import { fileURLToPath } from "node:url";

/** A program of the Python environment that `./tests/run` makes, or else the one in the PATH. */
export function pythonTool(name: string): string {
  const own = fileURLToPath(new URL(`../../../target/tools/python/bin/${name}`, import.meta.url));
  return fs.existsSync(own) ? own : name;
}
