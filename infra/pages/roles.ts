// Writes roles.md: what every role may do, from the template itself. With --print it goes to the screen alone.
import * as fs from "node:fs";
import { fileURLToPath } from "node:url";

import { type Listed, listRights } from "../lib/access/listing.ts";
import { UNLIMITED } from "../lib/access/statements.ts";
import { synthesise } from "../test/support/site.ts";

/** Everything that adds a right is switched on: a network, secrets that are there already, and keys of their own. */
export function rightsOfEverything(): Listed[] {
  const { app, stack } = synthesise({
    network: { vpcId: "vpc-0123456789abcdef0", subnetIds: ["subnet-0123456789abcdef0"] },
    secrets: { existing: ["corp/directory"], keys: ["arn:aws:kms:eu-west-1:111122223333:key/EXAMPLE"] },
  });
  return listRights(app.synth().getStackByName(stack.stackName).template as { Resources: Record<string, unknown> });
}

export function rolesPage(rights: readonly Listed[]): string {
  const lines = [
    "# Who may do what",
    "",
    "Written by `npm run roles` from the template of one connection, `corp`, with everything that adds a right switched on: a",
    "network (`LambdaManagesInterfaces`), an existing secret (`corp/directory`), and keys of existing secrets",
    "(`DecryptExistingSecrets`). Names such as Table are resources of the stack. A test compares this page with the template,",
    "and another finds every `*`.",
  ];
  for (const role of new Set(rights.map(({ role }) => role))) {
    lines.push("", `## ${role}`, "", "| why | actions | on | if |", "| --- | --- | --- | --- |");
    for (const right of rights.filter((right) => right.role === role)) {
      const { sid, effect, actions, resources, condition } = right;
      const why = effect === "Deny" ? `**never:** ${sid}` : sid;
      const cells = [why, actions.join("<br>"), resources.map((name) => `\`${name}\``).join("<br>"), condition];
      lines.push(`| ${cells.join(" | ")} |`);
    }
  }
  lines.push(
    "",
    "## Where `*` stands, and why",
    "",
    "`Log` names one log group; CloudFormation's ARN of it ends in `:*`, which are its streams. `-??????` are the six characters",
    "that Secrets Manager adds to a secret's name. Apart from these:",
    "",
    "| action | why on `*` |",
    "| --- | --- |",
    ...Object.entries(UNLIMITED).sort().map(([action, reason]) => `| ${action} | ${reason} |`),
    "",
  );
  return lines.join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const page = rolesPage(rightsOfEverything());
  if (process.argv.includes("--print")) process.stdout.write(page);
  else fs.writeFileSync(new URL("../roles.md", import.meta.url), page);
}
