import * as fs from "node:fs";

/** What Lambda offers, by the number that an ELF header has for it. */
const MACHINES = new Map([
  [183, "arm64"],
  [62, "x86_64"],
] as const);
export type Machine = "arm64" | "x86_64";

/** Which machine a program was built for, or what it is instead of such a program. */
export function machineOf(file: string): Machine | { problem: string } {
  const header = Buffer.alloc(20);
  const descriptor = fs.openSync(file, "r");
  try {
    fs.readSync(descriptor, header, 0, header.length, 0);
  } finally {
    fs.closeSync(descriptor);
  }
  const [magic, bits, order] = [header.toString("latin1", 0, 4), header[4], header[5]];
  if (magic !== "\x7fELF") return { problem: "is no Linux program (ELF)" };
  if (bits !== 2 || order !== 1) return { problem: "is no 64-bit little-endian Linux program" };
  const number = header.readUInt16LE(18);
  return MACHINES.get(number as 183 | 62) ?? { problem: `is for a machine that Lambda doesn't have (ELF number ${number})` };
}
