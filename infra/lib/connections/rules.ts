import { Mistake } from "../mistake.ts";
import type { ConnectionFile } from "./connection.ts";

/**
 * Checks a deployment would fail without and a JSON Schema cannot express. The functions check more at their start;
 * `provisioner check --offline` makes all checks in advance.
 */
export function checkRules(file: string, { name, directory, scope, mapping }: ConnectionFile): void {
  const fail = (key: string, problem: string): never => {
    throw new Mistake(`${file}, key ${key}: ${problem}`);
  };
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
    fail("name", "a connection's name has 1 to 64 letters, digits, '-' and '_'");
  }
  if ([directory.url].flat().length === 0) fail("directory.url", "is an empty list; name at least one server");
  const group = scope.group !== undefined;
  const filter = scope.filter !== undefined;
  if (group && filter) fail("scope", "has both group and filter; exactly one defines the scope");
  if (!group && !filter) fail("scope", "has neither group nor filter; one must define the scope");
  if (!("userName" in mapping)) fail("mapping", "userName is missing; it says which account belongs to a user");
}

/** The port of an LDAP URL, for the security group. */
export function directoryPort(file: string, url: string): number {
  const fail = (problem: string): never => {
    throw new Mistake(`${file}, key directory.url: ${problem}`);
  };
  const scheme = /^(ldaps?):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined) return fail("must start with ldaps:// or ldap://");
  if (!URL.canParse(url)) return fail(`${url} is no URL; write ldaps://HOST or ldap://HOST:PORT`);
  // URL gives no port for schemes that it doesn't know unless one is written.
  const written = new URL(url).port;
  if (written !== "") return Number(written);
  return scheme === "ldaps" ? 636 : 389;
}

/** The port of the target, for the security group. */
export function targetPort(file: string, url: string): number {
  if (!URL.canParse(url)) throw new Mistake(`${file}, key target.url: is no URL; write https://HOST`);
  const { port, protocol } = new URL(url);
  if (port !== "") return Number(port);
  return protocol === "http:" ? 80 : 443;
}
