import { App } from "aws-cdk-lib";

import { ProvisionerStack } from "../lib/app/stack.ts";
import { Mistake } from "../lib/mistake.ts";

try {
  new ProvisionerStack(new App());
} catch (error) {
  if (!(error instanceof Mistake)) throw error;
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = 1;
}
