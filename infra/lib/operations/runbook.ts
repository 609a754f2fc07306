import * as fs from "node:fs";
import { fileURLToPath } from "node:url";

const RUNBOOK = fileURLToPath(new URL("../../RUNBOOK.md", import.meta.url));

/** Every alarm there is; each has a section of this name in the runbook. */
export const ALARMS = [
  "scan-failing",
  "scan-late",
  "reads-incomplete",
  "removals-held",
  "users-failing",
  "breaker-open",
  "messages-old",
  "dead-letters",
  "missed-scans",
  "functions-throttled",
  "events-dropped",
  "target-idle",
] as const;
export type AlarmKind = (typeof ALARMS)[number];

/** Names that stand in a command instead of the runbook's examples. */
interface Names {
  readonly deployment: string;
  readonly connection: string | undefined;
}

/** The runbook's section about an alarm as plain text, with the names of this deployment. Each command has its own line. */
export function runbookText(kind: AlarmKind, { deployment, connection = "corp" }: Names): string {
  const sections = fs.readFileSync(RUNBOOK, "utf8").split(/^## /m);
  const section = sections.find((text) => text.startsWith(`${kind}\n`));
  if (section === undefined) throw new Error(`RUNBOOK.md has no section ${kind}`);
  // Between the fences are commands; elsewhere a line that begins neither a paragraph nor an item continues the one before.
  const parts = section.slice(kind.length).split(/^```(?:sh)?$/m);
  const text = parts.map((part, at) => (at % 2 === 1 ? part : part.trim().replaceAll(/\n(?![-\n])/g, " "))).join("\n");
  return text
    .replaceAll(/\*\*|`/g, "")
    .replaceAll(/\s*\n\s*/g, "\n")
    .trim()
    .replaceAll(/\bprovisioner-/g, `${deployment}-`)
    .replaceAll(/(stack-name|group-name) provisioner\b/g, `$1 ${deployment}`)
    .replaceAll(/\bcorp\b(?![/.])/g, connection);
}
