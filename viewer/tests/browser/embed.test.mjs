// `<annals-log>` on a page of a product's own: it shows what its token lets it see, and no more.

import assert from "node:assert/strict";
import { Served, api, elsewhere, passesAxe, roots, send, until, viewerTest } from "./support.mjs";

const server = await Served.start();

const told = (tenant, customer, n) => ({
  tenant, action: n % 2 ? "invoice.approve" : "invoice.view", actor: { id: `u${n}`, name: `Person ${n}`, email: `secret-${n}@inside.example` },
  targets: [{ type: "invoice", id: `inv${n}`, name: `Invoice ${n}` }], context: { ip: `198.51.100.${n}` }, scope: { project: customer },
});
await send(Array.from({ length: 40 }, (_, n) => told("product", n < 25 ? "customer-a" : "customer-b", n)), server.how);
await send([told("other", "customer-a", 99)], server.how);

/** The product's pages, by path. */
const pages = {};
const product = await elsewhere(pages);

/** The key of the product's backend. */
const backend = () => api("/v1/keys", {}, { ...server.how, method: "POST", body: { tenant: "product", scopes: ["read"], name: "backend" } });

/** A token for one customer, as the product's backend mints it. */
async function mint(key, terms = {}) {
  const body = { filter: { scope_project: "customer-a" }, hide: ["context.ip", "actor.email"], minutes: 5, origin: product, viewer: "eva@customer.example", ...terms };
  return (await api("/v1/viewer-tokens", {}, { url: server.url, key, method: "POST", body })).token;
}

const page = (elements, style = "") => `<!doctype html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,"><title>Product</title><style>${style}</style>
<script type="module" src="${server.url}/viewer/assets/annals-log.js"></script></head><body><main><h1>The product</h1>${elements}</main></body></html>`;

const hosts = [new URL(server.url).host, new URL(product).host];
const options = { server, key: null, hosts };

/** An element's part that tells how many events there are. */
const total = (log) => log.locator("annals-explorer .count strong");
const rows = (log) => log.getByRole("grid").locator("[role=row]");

/** All texts and attributes of the page, those within shadows too. */
const everything = (page) =>
  page.evaluate(`(${roots})().map((root) => [...root.querySelectorAll("*")].map((one) => [...one.attributes].map((attribute) => attribute.value).join(" ") + [...one.childNodes].filter((node) => node.nodeType === 3 || node.nodeType === 8).map((node) => node.data).join(" ")).join(" ")).join(" ")`);

viewerTest("it shows its customer's events alone, and nothing of what is hidden", options, async (viewer, shown) => {
  const { key } = await backend();
  pages["/"] = page(`<annals-log token="${await mint(key)}" last="all"></annals-log>`);
  await shown.goto(product);
  const log = shown.locator("annals-log");
  await total(log).getByText("25 events").waitFor();
  await rows(log).getByText("Person 24", { exact: true }).waitFor();
  // What is hidden costs nothing of what is not: facets and histogram are there.
  await log.locator("annals-facets .pick").filter({ hasText: "invoice.approve" }).getByText("12", { exact: true }).waitFor();
  await log.locator("annals-histogram canvas").waitFor();
  await rows(log).first().click({ position: { x: 4, y: 4 } });
  await log.locator("annals-event").getByRole("tab", { name: "JSON" }).click();
  const event = JSON.parse(await log.locator("annals-event pre").innerText());
  assert.equal(event.scope.project, "customer-a");
  assert.deepEqual([event.context?.ip, event.actor.email], [undefined, undefined]);
  const text = await everything(shown);
  assert.ok(text.includes("Person 24"));
  assert.doesNotMatch(text, /inside\.example|198\.51\.100|customer-b|Person 99/);
  // The page's own address stays as it was.
  assert.equal(shown.url(), `${product}/`);
});

viewerTest("it can be searched, and leads to the pages of actors and targets and back", options, async (viewer, shown) => {
  const { key } = await backend();
  pages["/"] = page(`<annals-log token="${await mint(key)}" last="all"></annals-log>`);
  await shown.goto(product);
  const log = shown.locator("annals-log");
  await total(log).getByText("25 events").waitFor();
  await log.locator("annals-search-box").getByRole("combobox").fill("action:invoice.approve");
  await shown.keyboard.press("Enter");
  await total(log).getByText("12 events").waitFor();
  await rows(log).first().locator("button").first().click();
  await log.getByRole("menuitem", { name: "All about this actor" }).click();
  await log.getByRole("heading", { name: "Person 23" }).waitFor();
  await log.getByRole("button", { name: "Back", exact: true }).click();
  await total(log).getByText("12 events").waitFor();
});

viewerTest("when its token ends it says so to the page, keeps what it shows, and goes on with a new one", { ...options, expected: [/401/] }, async (viewer, shown) => {
  const first = await backend();
  pages["/"] = page(`<annals-log token="${await mint(first.key)}" last="all"></annals-log>
    <script type="module">document.querySelector("annals-log").addEventListener("annals-token-needed", (event) => (document.body.dataset.needed = event.detail.reason));</script>`);
  await shown.goto(product);
  const log = shown.locator("annals-log");
  await total(log).getByText("25 events").waitFor();
  // With the key end all tokens that it made.
  await api(`/v1/keys/${first.id}`, {}, { ...server.how, method: "DELETE" });
  await log.getByRole("button", { name: "Refresh" }).click();
  await shown.locator('body[data-needed="refused"]').waitFor();
  await log.getByText(/The permission to read has ended/).waitFor();
  await rows(log).getByText("Person 24", { exact: true }).waitFor();
  const { key } = await backend();
  await log.evaluate((element, token) => (element.token = token), await mint(key, { filter: { scope_project: "customer-b" } }));
  await total(log).getByText("15 events").waitFor();
  assert.equal(await log.getByText(/The permission to read has ended/).count(), 0);
});

viewerTest("a token that ends soon is asked for before it does", options, async (viewer, shown) => {
  const { key } = await backend();
  pages["/"] = page(`<script>addEventListener("annals-token-needed", (event) => (document.body.dataset.needed = event.detail.reason));</script>
    <annals-log token="${await mint(key)}" expires-at="${new Date(Date.now() + 30_000).toISOString()}" last="all"></annals-log>`);
  await shown.clock.install();
  await shown.goto(product);
  await total(shown.locator("annals-log")).getByText("25 events").waitFor();
  assert.equal(await shown.locator("body[data-needed]").count(), 0);
  await shown.clock.runFor(31_000);
  await shown.locator('body[data-needed="expires"]').waitFor();
});

viewerTest("without a token it waits, and begins with the one that comes", options, async (viewer, shown) => {
  const { key } = await backend();
  pages["/"] = page(`<annals-log last="all"></annals-log>
    <script type="module">document.querySelector("annals-log").addEventListener("annals-token-needed", (event) => (document.body.dataset.needed = event.detail.reason));</script>`);
  await shown.goto(product);
  await shown.locator("annals-log").evaluate((element, token) => (element.token = token), await mint(key));
  await total(shown.locator("annals-log")).getByText("25 events").waitFor();
});

viewerTest("a token for another page's origin shows nothing here", { ...options, expected: [/403/, /CORS|ERR_FAILED/] }, async (viewer, shown) => {
  const { key } = await backend();
  pages["/"] = page(`<annals-log token="${await mint(key, { origin: "https://elsewhere.example" })}" last="all"></annals-log>
    <script type="module">document.querySelector("annals-log").addEventListener("annals-error", (event) => (document.body.dataset.error = event.detail.code));</script>`);
  await shown.goto(product);
  await shown.locator("body[data-error]").waitFor();
  assert.doesNotMatch(await everything(shown), /Person/);
});

viewerTest("two on one page go their own ways, each with its own token", options, async (viewer, shown) => {
  const { key } = await backend();
  pages["/"] = page(`<annals-log id="a" token="${await mint(key)}" last="all"></annals-log>
    <annals-log id="b" token="${await mint(key, { filter: { scope_project: "customer-b" } })}" last="all" view="action=invoice.view"></annals-log>`);
  await shown.goto(product);
  const [a, b] = [shown.locator("#a"), shown.locator("#b")];
  await total(a).getByText("25 events").waitFor();
  await total(b).getByText("7 events").waitFor();
  await a.locator("annals-search-box").getByRole("combobox").fill("action:invoice.approve");
  await shown.keyboard.press("Enter");
  await total(a).getByText("12 events").waitFor();
  await total(b).getByText("7 events").waitFor();
});

viewerTest("it looks as the product wants it to, and speaks Portuguese where asked", options, async (viewer, shown) => {
  const { key } = await backend();
  pages["/"] = page(`<annals-log token="${await mint(key)}" lang="pt" last="all"></annals-log>`, "annals-log { --annals-accent: rgb(120, 0, 60); --annals-surface: rgb(250, 246, 240); --annals-radius: 13px; --annals-height: 520px; }");
  await shown.goto(product);
  const log = shown.locator("annals-log");
  await total(log).getByText("25 eventos").waitFor();
  await log.getByRole("heading", { name: "Ação", exact: true }).waitFor();
  const drawn = await log.evaluate((element) => {
    const style = getComputedStyle(element);
    return { ground: style.backgroundColor, radius: style.borderRadius, height: element.offsetHeight };
  });
  assert.deepEqual(drawn, { ground: "rgb(250, 246, 240)", radius: "13px", height: 520 });
});

viewerTest("the page can export only where the token lets it", options, async (viewer, shown) => {
  const { key } = await backend();
  pages["/"] = page(`<annals-log token="${await mint(key)}" last="all"></annals-log>`);
  await shown.goto(product);
  const log = shown.locator("annals-log");
  await total(log).getByText("25 events").waitFor();
  assert.equal(await log.getByRole("button", { name: /^Export/ }).isEnabled(), false);
});

viewerTest("who looked stands in the access log, by the name that the product gave", options, async (viewer, shown) => {
  const { key } = await backend();
  pages["/"] = page(`<annals-log token="${await mint(key, { viewer: "looked@customer.example" })}" last="all"></annals-log>`);
  await shown.goto(product);
  await total(shown.locator("annals-log")).getByText("25 events").waitFor();
  await until(async () => (await api("/v1/events", { log: "access", tenant: "product", q: "looked@customer.example" }, server.how)).events.length > 0, "a record of who looked");
});

viewerTest("axe finds nothing wrong with it", options, async (viewer, shown) => {
  const { key } = await backend();
  pages["/"] = page(`<annals-log token="${await mint(key)}" last="all"></annals-log>`);
  await shown.goto(product);
  await total(shown.locator("annals-log")).getByText("25 events").waitFor();
  await passesAxe(shown);
});
