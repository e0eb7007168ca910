// Where an event that a link opens stands among those found: also where many have one time, and where asking for it fails at first.

import assert from "node:assert/strict";
import { Served, api, events, send, until, viewerTest } from "./support.mjs";

const server = await Served.start();
const TENANTS = ["acme", "birch", "cedar", "dune", "elm"];
const TIED = 2_500;
const at = "2026-03-01T12:00:00Z";
const event = (n, occurred_at) => ({ tenant: TENANTS[(n * n + Math.floor(n / 7)) % TENANTS.length], action: `door.open.${n}`, occurred_at, actor: { id: `u${n % 9}`, name: `Person ${n % 9}` } });
await send(Array.from({ length: 130 }, (_, n) => event(n, `2026-03-02T10:00:00.${String(n).padStart(3, "0")}Z`)), server.how);
await send(Array.from({ length: TIED }, (_, n) => event(n, at)), server.how);
await send(Array.from({ length: 170 }, (_, n) => event(n, `2026-02-02T10:00:00.${String(n).padStart(3, "0")}Z`)), server.how);

const elsewhere = (viewer) => viewer.page.getByText("The open event is none of these.");
const marked = (viewer) => viewer.table.locator('[role=row][aria-selected="true"]');
const link = ({ tenant, id }, more = "") => `/viewer?last=all${more}&event=${encodeURIComponent(`${tenant}/${id}`)}`;

viewerTest("over all tenants an event is found among thousands of the same time", { server }, async (viewer) => {
  for (const [order, skip] of [["desc", 130 + 1_777], ["asc", 170 + 901], ["desc", 130 + TIED - 1]]) {
    const [far] = await events({ order, skip, limit: 1 }, server.how);
    assert.ok(far.occurred_at.startsWith("2026-03-01"));
    await viewer.open(link(far, `&order=${order}`));
    await marked(viewer).waitFor();
    assert.equal(await marked(viewer).getAttribute("aria-rowindex"), String(skip + 1));
    assert.equal(await elsewhere(viewer).count(), 0);
  }
  const [other] = await events({ skip: 2_000, limit: 1 }, server.how);
  await viewer.open(link(other, `&not.action=${other.action}`));
  await elsewhere(viewer).waitFor();
});

const refused = (status) => ({ status, contentType: "application/problem+json", body: JSON.stringify({ code: status === 429 ? "rate_limited" : "busy", detail: "not now" }) });
const [far] = await events({ tenant: "acme", order: "asc", skip: 3, limit: 1 }, server.how);
const FAILING = {
  "the count is refused": ["/v1/summary", (params) => params.get("filter")?.includes("position"), (route) => route.fulfill(refused(429))],
  "the count finds no answer": ["/v1/summary", (params) => params.get("filter")?.includes("position"), (route) => route.abort("connectionrefused")],
  "the block takes too long": ["/v1/events", (params) => params.has("skip"), (route) => route.fulfill(refused(503))],
};

for (const [name, [path, which, fail]] of Object.entries(FAILING)) {
  viewerTest(`an event is not said to be elsewhere when ${name}, and is found once it is answered`, { server, expected: [/429|503|ERR_CONNECTION_REFUSED/] }, async (viewer, page) => {
    let [away, failed] = [true, 0];
    await page.route((url) => url.pathname === path && which(url.searchParams), (route) => {
      if (!away) return route.fallback();
      failed += 1;
      return fail(route);
    });
    await viewer.open(`/viewer?tenant=acme&last=all&event=${far.id}`);
    await until(() => failed > 0, "a question that fails");
    await viewer.event.getByRole("heading").first().waitFor();
    // What would be said is said within a frame or two of the answer.
    await page.waitForTimeout(300);
    assert.equal(await elsewhere(viewer).count(), 0);
    assert.ok(await viewer.row(1).isVisible());
    away = false;
    await marked(viewer).waitFor();
    assert.equal(await elsewhere(viewer).count(), 0);
  });
}
