import * as fs from "node:fs";
import * as path from "node:path";

/** A connection file, with some lines replaced. */
export function connectionToml(name = "corp", changes: Readonly<Record<string, string>> = {}): string {
  const lines = {
    name: `name = "${name}"`,
    directory: "[directory]",
    kind: 'kind = "openldap"',
    url: 'url = "ldaps://ldap.corp.example"',
    base: 'base_dn = "dc=corp,dc=example"',
    directorySecret: `secret = "secretsmanager:${name}/directory"`,
    ca: "",
    scope: "[scope]",
    group: 'group = "cn=workplace,ou=groups,dc=corp,dc=example"',
    target: "[target]",
    targetKind: 'kind = "workplace"',
    targetUrl: 'url = "https://scim.workplace.com"',
    targetSecret: `secret = "secretsmanager:${name}/workplace"`,
    concurrency: "",
    mapping: "[mapping]",
    userName: 'userName = "mail"',
    more: 'title = { from = "title", default = "Employee" }',
    ...changes,
  };
  return `${Object.values(lines).filter((line) => line !== "").join("\n")}\n`;
}

export const CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";

/** A folder with these files. */
export function writeFolder(folder: string, files: Readonly<Record<string, string>>): string {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
  }
  return folder;
}
