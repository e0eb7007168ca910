// Sources as tests import them: built as the page has them, but alone.

import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** What modules of the viewer's sources (`src/live.ts`) export, built into one so that they share their classes. */
export async function bundled(...paths) {
  const contents = paths.map((path) => `export * from "./${path}";`).join("\n");
  const stdin = { contents, resolveDir: fileURLToPath(new URL("../../", import.meta.url)), loader: "ts" };
  const { outputFiles } = await build({ stdin, bundle: true, write: false, format: "esm", target: "es2022" });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString("base64")}`);
}
