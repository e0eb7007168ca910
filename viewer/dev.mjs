// Develops the viewer against a server that runs: `node dev.mjs --url http://127.0.0.1:4722 --key annals_… [--port 4700]`.
//
// Serves what is built, anew after each change of a source, and passes everything else on with the key, so that nobody has to sign in.

import { spawn } from "node:child_process";
import { createReadStream, existsSync, mkdtempSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const url = new URL(option("url", "http://127.0.0.1:4722"));
const key = option("key", process.env["ANNALS_KEY"]);
const port = Number(option("port", "4700"));
if (!key) {
  console.error("usage: node dev.mjs --url URL --key KEY [--port PORT]");
  process.exit(2);
}

const out = mkdtempSync(join(tmpdir(), "annals-viewer-"));
const build = fileURLToPath(new URL("build.mjs", import.meta.url));
spawn(process.execPath, [build, "--out", out, "--watch"], { stdio: "inherit" });

const TYPES = { js: "text/javascript", css: "text/css", svg: "image/svg+xml", html: "text/html", txt: "text/plain" };

createServer((asked, answer) => {
  const path = new URL(asked.url, url).pathname;
  if (path === "/viewer" || path.startsWith("/viewer/")) {
    const named = join(out, basename(path));
    const file = path.startsWith("/viewer/assets/") && existsSync(named) ? named : join(out, "index.html");
    answer.setHeader("content-type", `${TYPES[file.split(".").pop()]}; charset=utf-8`);
    createReadStream(file).pipe(answer);
    return;
  }
  if (path === "/v1/session" && asked.method === "GET") {
    answer.setHeader("content-type", "application/json");
    const scopes = ["read", "export", "verify", "admin", "write"];
    answer.end(JSON.stringify({ key_id: "dev", name: "development", tenant: null, scopes, expires_at: "2099-01-01T00:00:00Z" }));
    return;
  }
  const headers = { ...asked.headers, host: url.host, authorization: `Bearer ${key}` };
  const passed = request({ host: url.hostname, port: url.port, path: asked.url, method: asked.method, headers }, (got) => {
    answer.writeHead(got.statusCode, got.headers);
    got.pipe(answer);
  });
  passed.on("error", () => answer.destroy());
  answer.on("close", () => passed.destroy());
  asked.pipe(passed);
}).listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}/viewer`));
