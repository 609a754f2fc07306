import * as fs from "node:fs";
import * as path from "node:path";

/** The numbers that an ELF header has for machines. */
export const ARM64 = 183;
export const X86_64 = 62;

/** Header of a program: enough to tell its architecture. */
export function elf(machine: number): Buffer {
  const header = Buffer.alloc(64);
  header.write("\x7fELF", 0, "latin1");
  header.set([2, 1, 1], 4);
  header.writeUInt16LE(3, 16);
  header.writeUInt16LE(machine, 18);
  return header;
}

/** Built functions, as far as a deployment can see. */
export function writeArtefacts(folder: string, machines: { scan?: number; provision?: number } = {}): string {
  const { scan = ARM64, provision = ARM64 } = machines;
  for (const [binary, machine] of Object.entries({ scan, provision })) {
    fs.mkdirSync(path.join(folder, binary), { recursive: true });
    fs.writeFileSync(path.join(folder, binary, "bootstrap"), elf(machine), { mode: 0o755 });
  }
  return folder;
}
