// Writes cost.md. With --print it goes to the screen alone.
import * as fs from "node:fs";

import { costPage } from "./page.ts";

if (process.argv.includes("--print")) process.stdout.write(costPage());
else fs.writeFileSync(new URL("../cost.md", import.meta.url), costPage());
