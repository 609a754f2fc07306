import { App } from "aws-cdk-lib";

import { ProvisionerStack } from "../lib/app/stack.ts";
import { Mistake } from "../lib/mistake.ts";

try {
  new ProvisionerStack(new App());
} catch (error) {
  process.stderr.write(`error: ${describe(error)}\n`);
  process.exitCode = 1;
}

/** A mistake is one sentence. Anything else is a fault of this app, and its stack helps to mend it. */
function describe(error: unknown): string {
  if (error instanceof Mistake) return error.message;
  const text = error instanceof Error ? error.message : String(error);
  const stack = process.env["CDK_DEBUG"] === undefined ? "set CDK_DEBUG=true for the stack trace" : (error as Error).stack;
  return `the app failed: ${text}; please report it (${stack})`;
}
