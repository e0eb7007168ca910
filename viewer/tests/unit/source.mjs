// The viewer's sources as modules for tests: `await source("proof/note.ts", …)` has what all of them export.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as esbuild from "esbuild";

const sources = fileURLToPath(new URL("../../src", import.meta.url));

export async function source(...names) {
  const folder = mkdtempSync(join(tmpdir(), "annals-unit-"));
  const outfile = join(folder, "module.mjs");
  const contents = names.map((name) => `export * from "./${name}";`).join("\n");
  await esbuild.build({ stdin: { contents, resolveDir: sources, loader: "ts" }, bundle: true, format: "esm", target: "es2023", outfile, logLevel: "warning" });
  const module = await import(pathToFileURL(outfile));
  rmSync(folder, { recursive: true });
  return module;
}
