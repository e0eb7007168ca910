// Signing in and out, and what the page itself may do.

import assert from "node:assert/strict";
import { Served, api, send, viewerTest } from "./support.mjs";

const server = await Served.start();
await send([{ tenant: "acme", action: "a.b", actor: { id: "u", name: "Una" } }], server.how);

/** A key of a tenant's own. */
const newKey = () => api("/v1/keys", {}, { ...server.how, method: "POST", body: { tenant: "acme", scopes: ["read"], name: "looks around" } });

/** That nobody is signed in yet is an answer of the server that the browser tells as an error. */
const NOBODY = /401 \(Unauthorized\).*\/v1\/(session|events\?)/;

const form = (viewer) => viewer.page.locator("annals-sign-in");
const enter = async (viewer, key) => {
  await form(viewer).getByLabel("API key").fill(key);
  await form(viewer).getByRole("button", { name: "Sign in" }).click();
};

viewerTest("somebody signs in with a key, sees what they came for, and signs out", { server, key: null, expected: [NOBODY] }, async (viewer, page) => {
  const { key } = await newKey();
  await page.goto(`${server.url}/viewer?last=all&action=a.b`);
  await enter(viewer, "annals_thisisnone");
  await form(viewer).getByText("No key like this, or it has ended.").waitFor();
  await enter(viewer, key);
  assert.equal(await viewer.total(), 1);
  assert.match(page.url(), /action=a\.b/);
  assert.deepEqual(await page.evaluate(() => [Object.values(localStorage).join(), document.cookie].filter((text) => text.includes("annals_"))), []);
  await viewer.menu();
  await page.getByRole("button", { name: "Sign out" }).click();
  await form(viewer).waitFor();
  assert.equal((await page.request.get(`${server.url}/v1/events`)).status(), 401);
  await page.reload();
  await form(viewer).waitFor();
});

viewerTest("a link signs in once", { server, key: null, expected: [NOBODY] }, async (viewer, page) => {
  const { url } = await api("/v1/session/links", {}, { ...server.how, method: "POST" });
  await page.goto(url);
  await page.waitForURL((address) => address.pathname === "/viewer");
  await viewer.settled();
  assert.ok(!page.url().includes("ticket"));
  await page.context().clearCookies();
  await page.goto(url);
  await form(viewer).getByText(/The link was used before/).waitFor();
  assert.ok(!page.url().includes("ticket"));
});

viewerTest("a session ends with the key that it came from", { server, key: null, expected: [NOBODY, /401/] }, async (viewer, page) => {
  const { id, key } = await newKey();
  await page.goto(`${server.url}/viewer?last=all`);
  await enter(viewer, key);
  await viewer.settled();
  await api(`/v1/keys/${id}`, {}, { ...server.how, method: "DELETE" });
  await page.getByRole("button", { name: "Refresh" }).click();
  await form(viewer).waitFor();
});

viewerTest("the page's policy allows nothing from elsewhere and nothing inline, and it needs neither", { server, expected: [/Content Security Policy/] }, async (viewer, page) => {
  const answer = await page.goto(`${server.url}/viewer?tenant=acme&last=all`);
  const policy = Object.fromEntries(answer.headers()["content-security-policy"].split(";").map((part) => part.trim().split(/ (.*)/)));
  assert.equal(policy["default-src"], "'none'");
  assert.equal(policy["script-src"], "'self'");
  assert.equal(policy["style-src"], "'self'");
  assert.equal(policy["connect-src"], "'self'");
  assert.equal(policy["frame-ancestors"], "'none'");
  assert.doesNotMatch(answer.headers()["content-security-policy"], /unsafe/);
  const html = await answer.text();
  assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/);
  assert.doesNotMatch(html, /(src|href)="(https?:)?\/\//);
  // It holds: what is put into the page does not run.
  const refused = page.waitForEvent("console", (message) => message.type() === "error" && /Content Security Policy/.test(message.text()));
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "globalThis.broken = true";
    document.head.append(script);
  });
  await refused;
  assert.equal(await page.evaluate(() => globalThis.broken), undefined);
});

viewerTest("whoever may not read is told so", { server, key: null, expected: [NOBODY, /403/] }, async (viewer, page) => {
  const { key } = await api("/v1/keys", {}, { ...server.how, method: "POST", body: { tenant: "acme", scopes: ["write"], name: "only writes" } });
  await page.goto(`${server.url}/viewer`);
  await enter(viewer, key);
  await page.getByText("Not allowed").first().waitFor();
});
