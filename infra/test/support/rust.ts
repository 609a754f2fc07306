import * as fs from "node:fs";
import { fileURLToPath } from "node:url";

/** A file of the project, from its top. */
export function projectFile(path: string): string {
  return fs.readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), "utf8");
}

/** The text constants of a Rust file, by name: `const NAME: &str = "value";`. */
export function constants(path: string): Map<string, string> {
  const found = projectFile(path).matchAll(/^\s*(?:pub(?:\([a-z]+\))? )?const ([A-Z_]+): &(?:'static )?str = "([^"]*)";/gm);
  return new Map([...found].map((match) => [match[1] ?? "", match[2] ?? ""]));
}

/** All Rust sources of a folder, together. */
export function rustSources(folder: string): string {
  const root = new URL(`../../../${folder}/`, import.meta.url);
  const files = fs.readdirSync(root, { recursive: true }) as string[];
  return files.filter((name) => name.endsWith(".rs")).map((name) => fs.readFileSync(new URL(name, root), "utf8")).join("\n");
}
