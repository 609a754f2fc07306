import assert from "node:assert/strict";
import * as fs from "node:fs";

/** Compares with what was accepted before; `UPDATE_SNAPSHOTS=1 npm test` accepts what is there now. */
export function assertSnapshot(name: string, found: string): void {
  const file = new URL(`../snapshots/${name}`, import.meta.url);
  if (process.env["UPDATE_SNAPSHOTS"] === "1") fs.writeFileSync(file, found);
  const accepted = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
  assert.equal(found, accepted, `differs from test/snapshots/${name}; look at it, then UPDATE_SNAPSHOTS=1 npm test`);
}
