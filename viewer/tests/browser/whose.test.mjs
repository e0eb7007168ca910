// What is one person's stays theirs: a session that a link would replace, a sign-out that failed, an embedded log whose token is another's.

import assert from "node:assert/strict";
import { Served, api, elsewhere, send, viewerTest } from "./support.mjs";

const server = await Served.start();
await send(Array.from({ length: 12 }, (_, n) => ({
  tenant: "acme", action: "door.open", actor: { id: `u${n % 3}`, name: `Person ${n % 3}` }, scope: { team: n % 3 === 0 ? "a" : "b" }, context: { ip: `198.51.100.${n}` },
})), server.how);

/** That nobody is signed in yet is an answer of the server that the browser tells as an error. */
const NOBODY = /401 \(Unauthorized\).*\/v1\/(session|events\?)/;

const newLink = async () => (await api("/v1/session/links", {}, { ...server.how, method: "POST" })).url;
const sessionOf = async (page) => (await page.context().cookies()).map((cookie) => cookie.value).join();

viewerTest("a link does not replace who is signed in before they say so", { server, key: null, expected: [NOBODY] }, async (viewer, page) => {
  await page.goto(await newLink());
  await viewer.settled();
  const before = await sessionOf(page);
  const asked = page.locator("annals-sign-in").getByText(/You are signed in as .* Sign in by this link instead\?/);
  await page.goto(await newLink());
  await asked.waitFor();
  assert.ok(!page.url().includes("ticket"));
  await page.getByRole("button", { name: /^Stay signed in as/ }).click();
  await viewer.settled();
  assert.equal(await sessionOf(page), before);
  const link = await newLink();
  await page.goto(link);
  await asked.waitFor();
  await page.getByRole("button", { name: "Sign in by the link" }).click();
  await viewer.settled();
  assert.notEqual(await sessionOf(page), before);
});

viewerTest("a link that was used leaves who is signed in as they were", { server, expected: [/401/] }, async (viewer, page) => {
  const link = await newLink();
  for (const [button, seen] of [["Sign in by the link", "annals-explorer"], ["Sign in by the link", ".error"], [/^Stay signed in as/, "annals-explorer"]]) {
    if (typeof button === "string") await page.goto(link);
    await page.getByRole("button", { name: button }).click();
    await page.locator(seen).waitFor();
  }
  assert.equal((await page.request.get(`${server.url}/v1/session`)).status(), 200);
});

viewerTest("a sign-out that failed is told of, and can be tried again", { server, key: null, expected: [NOBODY, /503/] }, async (viewer, page) => {
  await page.goto(await newLink());
  await viewer.settled();
  const busy = { status: 503, contentType: "application/problem+json", body: JSON.stringify({ code: "busy", detail: "there is no room" }) };
  await page.route("**/v1/session", (route) => (route.request().method() === "DELETE" ? route.fulfill(busy) : route.continue()));
  await viewer.menu();
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  const alert = page.getByRole("alert").filter({ hasText: "You are still signed in" });
  await alert.getByText(/there is no room/).waitFor();
  await viewer.settled();
  await page.unroute("**/v1/session");
  await alert.getByRole("button", { name: "Sign out again" }).click();
  await page.locator("annals-sign-in #key").waitFor();
  assert.equal((await page.request.get(`${server.url}/v1/session`)).status(), 401);
});

viewerTest("on the page of an actor the keyboard skips the head to what is told of them", { server, path: "/viewer/actor?tenant=acme&last=all&id=u1" }, async (viewer, page) => {
  await page.locator("annals-actor").getByRole("heading", { name: "Person 1" }).waitFor();
  await page.locator(".skip").focus();
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("annals-actor h1").evaluate((heading) => heading.matches(":focus")), true);
});

const pages = {};
const product = await elsewhere(pages);
const embedded = { server, key: null, hosts: [new URL(server.url).host, new URL(product).host] };
const { key } = await api("/v1/keys", {}, { ...server.how, method: "POST", body: { tenant: "acme", scopes: ["read"], name: "backend" } });

async function mint(terms = {}) {
  const body = { filter: { scope_team: "a" }, hide: ["context.ip"], minutes: 5, origin: product, viewer: "ana", ...terms };
  return (await api("/v1/viewer-tokens", {}, { url: server.url, key, method: "POST", body })).token;
}

/** The element on the product's page, with how often and why it asked for a token. */
async function shown(page, token) {
  pages["/"] = `<!doctype html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,"><title>Product</title>
    <script>globalThis.needed = []; addEventListener("annals-token-needed", (event) => needed.push(event.detail.reason));</script>
    <script type="module" src="${server.url}/viewer/assets/annals-log.js"></script></head><body><annals-log token="${token}" last="all"></annals-log></body></html>`;
  await page.goto(product);
  const log = page.locator("annals-log");
  return {
    log,
    total: (text) => log.locator("annals-explorer .count strong").getByText(text).waitFor(),
    rows: log.getByRole("grid").locator("[role=row]"),
    give: async (token) => log.evaluate((element, token) => (element.token = token), token),
    needed: () => page.evaluate("needed"),
  };
}

viewerTest("an embedded log goes on for the same person, and keeps nothing for another or for none", embedded, async (viewer, page) => {
  const { log, total, rows, give, needed } = await shown(page, await mint());
  await total("4 events");
  await rows.first().click({ position: { x: 4, y: 4 } });
  await log.locator("annals-event").waitFor();
  await give(await mint({ minutes: 9 }));
  assert.equal(await log.locator("annals-event").count(), 1);
  await give(await mint({ viewer: "eva", filter: { scope_team: "b" } }));
  await total("8 events");
  assert.equal(await log.locator("annals-event").count(), 0);
  assert.equal(await rows.getByText("Person 0").count(), 0);
  await give("");
  await log.getByText("Waiting for permission to read").waitFor();
  assert.equal(await rows.locator("button").count(), 0);
  assert.deepEqual(await needed(), ["missing"]);
  await give(await mint());
  await total("4 events");
});

viewerTest("an embedded log asks again while nothing comes, and not at once for what ends soon", embedded, async (viewer, page) => {
  await page.clock.install();
  const { total, give, needed } = await shown(page, "");
  await page.locator("annals-log").getByText("Waiting for permission to read").waitFor();
  assert.deepEqual(await needed(), ["missing"]);
  await page.clock.runFor(11_000);
  assert.deepEqual(await needed(), ["missing", "missing"]);
  await give(await mint({ minutes: 1 }));
  await total("4 events");
  await page.clock.runFor(20_000);
  assert.deepEqual(await needed(), ["missing", "missing"]);
  await page.clock.runFor(60_000);
  assert.deepEqual(await needed(), ["missing", "missing", "expires"]);
});

viewerTest("what the token hides has no column and is offered nowhere", embedded, async (viewer, page) => {
  const { log, total } = await shown(page, await mint());
  await total("4 events");
  assert.equal(await log.locator("annals-table .head").getByText("Address").count(), 0);
  await log.locator("annals-search-box").getByRole("combobox").fill("context");
  const offered = await log.locator("annals-search-box li").allInnerTexts();
  assert.ok(offered.length > 0 && !offered.some((text) => text.includes("context.ip:")), offered.join());
});
