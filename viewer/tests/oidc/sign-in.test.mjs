// Somebody signs in to annals by a certified OpenID provider, as a browser does it. `ANNALS` names the program.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { Browser, action } from "./browser.mjs";
import { SECRET, open } from "./provider.mjs";

const ANNALS = process.env.ANNALS ?? resolve(import.meta.dirname, "../../../target/debug/annals");

const folder = mkdtempSync(join(tmpdir(), "annals-oidc-"));
const ends = [];
after(async () => {
  for (const close of ends.reverse()) await close();
  rmSync(folder, { recursive: true });
});

/** A provider, and annals that trusts it. */
async function start(name, client, { inToken = false, settings = {} } = {}) {
  const provider = await open();
  ends.push(async () => provider.close());
  const secret = join(folder, `${name}.secret`);
  writeFileSync(secret, `${SECRET}\n`);
  const program = spawn(ANNALS, ["serve", "--json", "--data", join(folder, name), "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", process.env.ANNALS_SAID ? "inherit" : "ignore"],
    env: {
      PATH: process.env.PATH,
      ANNALS_OIDC__ISSUER: provider.issuer,
      ANNALS_OIDC__CLIENT_ID: "annals",
      ANNALS_OIDC__SCOPES: "openid profile email groups",
      ANNALS_OIDC__ROLES: "audit team acme read+verify,admins * read+admin",
      ...(client.client_secret && { ANNALS_OIDC__CLIENT_SECRET_FILE: secret }),
      ...settings,
    },
  });
  ends.push(async () => {
    program.kill();
    await once(program, "exit");
  });
  const [line] = await once(createInterface(program.stdout), "line");
  const { url, operator_key: key } = JSON.parse(line);
  provider.serve(`${url}/v1/session/oidc/callback`, client, inToken);
  return { url, key, provider };
}

/** As a person: to the provider, name and password, consent, and back. */
async function signIn(browser, url, login, returnTo = "/viewer") {
  const asked = await browser.go(`${url}/v1/session/oidc?return_to=${encodeURIComponent(returnTo)}`);
  const consent = await browser.go(action(asked), { prompt: "login", login, password: "any" });
  return browser.go(action(consent), { prompt: "consent" });
}

const CONFIDENTIAL = { client_secret: SECRET };

for (const [name, client, options] of [
  ["a secret in a header, RS256, groups at the userinfo endpoint", { ...CONFIDENTIAL, token_endpoint_auth_method: "client_secret_basic" }],
  ["a secret in the body, ES256, groups in the token", { ...CONFIDENTIAL, token_endpoint_auth_method: "client_secret_post", id_token_signed_response_alg: "ES256" }, { inToken: true }],
  ["no secret, EdDSA", { token_endpoint_auth_method: "none", id_token_signed_response_alg: "EdDSA" }],
]) {
  test(`Ana signs in: ${name}`, async () => {
    const { url, key } = await start(name.replaceAll(/\W/g, "-"), client, options);
    const browser = new Browser();
    const page = await signIn(browser, url, "ana", "/viewer/actor?id=u1");
    assert.equal(page.url, `${url}/viewer/actor?id=u1`, page.text);
    assert.deepEqual(browser.cookies(url), ["annals_session"]);
    const session = await (await browser.ask(`${url}/v1/session`)).json();
    assert.deepEqual(
      [session.key_id.replace(/:[0-9a-f]{8}:/, ":"), session.name, session.email, session.tenant, session.scopes, session.sign_in],
      ["oidc:ana", "Ana Lopes", "ana@acme.example", "acme", ["read", "verify"], "oidc"],
    );
    const event = { tenant: "acme", action: "video.update", actor: { type: "user", id: "u1" } };
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const sent = await fetch(`${url}/v1/events`, { method: "POST", headers, body: JSON.stringify(event) });
    assert.equal(sent.status, 200);
    const found = await (await browser.ask(`${url}/v1/events`)).json();
    assert.equal(found.events[0].action, "video.update");
    assert.equal((await browser.ask(`${url}/v1/export`)).status, 403);
    // What brought her here brings nobody here again.
    const again = await browser.go(page.way.find((address) => address.includes("/callback?")));
    assert.equal(again.status, 403);
    assert.match(again.text, /You are not signed in/);
  });
}

test("Bob has no role, and is told so on a page", async () => {
  const { url, key } = await start("bob", { ...CONFIDENTIAL });
  const browser = new Browser();
  const page = await signIn(browser, url, "bob");
  assert.equal(page.status, 403);
  assert.match(page.text, /none of your groups has a role here/);
  assert.equal((await browser.ask(`${url}/v1/session`)).status, 401);
  const access = async () => (await fetch(`${url}/v1/access?tenant=_annals`, { headers: { authorization: `Bearer ${key}` } })).text();
  while (!(await access()).includes("role_missing")) await new Promise((done) => setTimeout(done, 20));
  assert.match(await access(), /"id":"oidc:[0-9a-f]{8}:bob"/);
});

test("a secret that is not the provider's lets nobody in", async () => {
  const { url } = await start("wrong", { client_secret: "another" });
  const page = await signIn(new Browser(), url, "ana");
  assert.equal(page.status, 403);
  assert.match(page.text, /does not take its own code back/);
});
