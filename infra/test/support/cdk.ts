// Stand-in for the CDK's commands that need an account: runs the app with the settings of the command line, as `cdk` would.
// Usage: cdk.ts OUTDIR [STACK] -c KEY=VALUE ...
import * as fs from "node:fs";

const [outdir = "", ...words] = process.argv.slice(2);
const { context } = JSON.parse(fs.readFileSync("cdk.json", "utf8")) as { context: Record<string, unknown> };
for (let at = 0; at < words.length; at += 2) {
  const [key, ...value] = (words[at + 1] ?? "").split("=");
  if (words[at] !== "-c" || !key || value.length === 0) throw new Error(`unknown argument of cdk: ${words[at]}`);
  context[key] = value.join("=");
}
// As for `cdk bootstrap` and `cdk destroy`, which don't need a stack without errors.
if (process.env["ERRORS_ALLOWED"] === "true") context["@aws-cdk/core:failSynthOnValidationErrors"] = false;
process.env["CDK_CONTEXT_JSON"] = JSON.stringify(context);
process.env["CDK_OUTDIR"] = outdir;
await import("../../bin/app.ts");
