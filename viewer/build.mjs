// Builds the viewer: `node build.mjs --out DIR [--watch]`. Writes flat files that the program embeds, each text also pressed.
//
// `index.html`, `viewer-HASH.js` and `viewer-HASH.css` are the built-in viewer: named by what they say, browsers keep them. `annals-log.js` is the
// element that products embed, under a name that stays.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { constants, gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

/** Longest that what a page loads may be, pressed: a phone on a slow line waits for it. */
const PRESSED_BYTES_MAX = 150 * 1024;

const options = {
  absWorkingDir: here,
  bundle: true,
  format: "esm",
  target: ["chrome123", "firefox120", "safari17.5"],
  minify: true,
  legalComments: "none",
  loader: { ".css": "text" },
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
};

/** The page fetches what its first rows do not need later, in files of their own. */
const page = { ...options, entryPoints: { viewer: "src/start.ts" }, splitting: true, chunkNames: "chunk-[hash]" };

/** What products embed is one file. */
const element = { ...options, entryPoints: { "annals-log": "src/embed.ts" } };

const args = process.argv.slice(2);
const out = args[args.indexOf("--out") + 1];
if (!args.includes("--out") || !out) {
  console.error("usage: node build.mjs --out DIR [--watch]");
  process.exit(2);
}

if (args.includes("--watch")) {
  const finish = { name: "finish", setup: (build) => build.onEnd(() => copyStatic()) };
  for (const one of [page, element]) {
    const context = await esbuild.context({ ...one, outdir: out, minify: false, sourcemap: "inline", plugins: [finish] });
    await context.watch();
  }
} else {
  rmSync(out, { recursive: true, force: true });
  const { metafile } = await esbuild.build({ ...page, outdir: out, metafile: true });
  await esbuild.build({ ...element, outdir: out });
  copyStatic();
  nameByHash();
  preload(metafile);
  press();
}

/** Copies what is used as it stands, with the licences of what was built in. */
function copyStatic() {
  mkdirSync(out, { recursive: true });
  for (const name of readdirSync(join(here, "static"))) {
    writeFileSync(join(out, name), readFileSync(join(here, "static", name)));
  }
  writeFileSync(join(out, "licences.txt"), licences());
}

/** Gives the page's own files names that change with what they say. */
function nameByHash() {
  let page = readFileSync(join(out, "index.html"), "utf8");
  for (const name of ["viewer.js", "viewer.css"]) {
    const hash = createHash("sha256").update(readFileSync(join(out, name))).digest("hex").slice(0, 8).toUpperCase();
    const named = name.replace(".", `-${hash}.`);
    renameSync(join(out, name), join(out, named));
    page = page.replace(`/viewer/assets/${name}`, `/viewer/assets/${named}`);
  }
  writeFileSync(join(out, "index.html"), page);
}

/** Has the page fetch at once what its script would ask for one after the other. */
function preload({ outputs }) {
  const needed = new Set();
  const follow = (path) => {
    for (const { path: next, kind } of outputs[path].imports) {
      if (kind !== "import-statement" || needed.has(next)) continue;
      needed.add(next);
      follow(next);
    }
  };
  for (const entry of ["src/start.ts", "src/app.ts"]) {
    const path = Object.keys(outputs).find((path) => outputs[path].entryPoint === entry);
    if (entry !== "src/start.ts") needed.add(path);
    follow(path);
  }
  const links = [...needed].map((path) => `<link rel="modulepreload" href="/viewer/assets/${basename(path)}">\n`).join("");
  const file = join(out, "index.html");
  writeFileSync(file, readFileSync(file, "utf8").replace("<script ", `${links}<script `));
}

/** The licences of the libraries that the built files hold. */
function licences() {
  const named = Object.keys(JSON.parse(readFileSync(join(here, "package.json"), "utf8")).dependencies);
  const used = named.filter((name) => name !== "esbuild");
  const of = (name) => {
    const folder = join(here, "node_modules", name);
    const file = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
    const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const text = file ? readFileSync(join(folder, file), "utf8") : `Licence: ${about.license}`;
    return `${name} ${about.version}\n\n${text.trim()}\n`;
  };
  const all = [...used, "lit-html", "lit-element", "@lit/reactive-element"];
  return all.map(of).join(`\n${"-".repeat(72)}\n\n`);
}

/** Writes each file pressed beside it, and refuses a page that has grown too large. */
function press() {
  let bytes = 0;
  for (const name of readdirSync(out)) {
    const pressed = gzipSync(readFileSync(join(out, name)), { level: constants.Z_BEST_COMPRESSION });
    writeFileSync(join(out, `${name}.gz`), pressed);
    if (/^(viewer|chunk)-/.test(name) || name === "index.html") bytes += pressed.length;
  }
  if (bytes > PRESSED_BYTES_MAX) {
    console.error(`the viewer has ${bytes} bytes pressed, more than ${PRESSED_BYTES_MAX}`);
    process.exit(1);
  }
}
