// The viewer's sources as modules for tests: `await source("proof/note.ts", …)` has what all of them export.

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as esbuild from "esbuild";

const sources = fileURLToPath(new URL("../../src", import.meta.url));

export async function source(...names) {
  const outfile = join(mkdtempSync(join(tmpdir(), "annals-unit-")), "module.mjs");
  const contents = names.map((name) => `export * from "./${name}";`).join("\n");
  await esbuild.build({ stdin: { contents, resolveDir: sources, loader: "ts" }, bundle: true, format: "esm", target: "es2023", outfile, logLevel: "warning" });
  return import(pathToFileURL(outfile));
}
