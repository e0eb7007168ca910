// The one screen: what happened when, what it has in common, and each event of it.

import assert from "node:assert/strict";
import { ViewerPage, ZONE, api, count, demo, events, keyOf, until, viewerTest } from "./support.mjs";

const LEDGERLY = "/viewer?tenant=ledgerly&last=all";

/** The last day of the demo's year has ended by now: nothing comes any more. */
const all = (params) => ({ tenant: "ledgerly", ...params });

/** Where the histogram's bars are drawn. */
const bars = (viewer) => viewer.page.locator("annals-histogram .u-over");

/** The stretch of time that the address names. */
const stretch = (viewer) => ({ since: viewer.query.get("since"), until: viewer.query.get("until") });

viewerTest("the first rows are asked for once, beside who is signed in and before anything is counted", {}, async (viewer, page) => {
  const asked = [];
  page.on("request", (request) => {
    const { pathname, searchParams } = new URL(request.url());
    if (pathname.startsWith("/v1/")) asked.push(`${pathname}${searchParams.has("partial") ? "?partial" : ""}`);
  });
  await viewer.open(LEDGERLY);
  assert.deepEqual(asked.slice(0, 2).sort(), ["/v1/events?partial", "/v1/session"]);
  assert.equal(asked.filter((one) => one === "/v1/events?partial").length, 1);
  // What is asked next is asked anew.
  await page.keyboard.press("r");
  await until(() => asked.filter((one) => one === "/v1/events?partial").length === 2, "a second question");
});

viewerTest("the histogram draws a bar for each stretch of time, and says how many events it has", { path: LEDGERLY }, async (viewer) => {
  const drawn = await viewer.page.locator("annals-histogram canvas").evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set();
    for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) colours.add(`${data[at]},${data[at + 1]},${data[at + 2]}`);
    return colours.size;
  });
  assert.ok(drawn > 2, `only ${drawn} colours`);
  const { histogram } = await api("/v1/summary", all({ interval: "1w", tz: ZONE }));
  await viewer.histogram.focus();
  await viewer.page.keyboard.press("End");
  await viewer.page.keyboard.press("ArrowLeft");
  const told = viewer.page.locator("annals-histogram .told");
  const bucket = histogram.buckets.at(-2);
  await told.filter({ hasText: `${bucket.count.toLocaleString("en")} events` }).waitFor();
});

viewerTest("dragging over bars zooms in to that time, and out again", { path: LEDGERLY }, async (viewer, page) => {
  const before = await viewer.total();
  const box = await bars(viewer).boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 40, { steps: 5 });
  await page.mouse.up();
  await page.waitForURL(/since=.*until=/);
  const inside = await viewer.total();
  assert.ok(0 < inside && inside < before / 4, `${inside} of ${before}`);
  assert.equal(inside, await count(all(stretch(viewer))));
  await page.getByRole("button", { name: "Zoom out" }).click();
  await page.waitForURL(/last=all/);
  assert.equal(await viewer.total(), before);
});

viewerTest("a click on a bar goes into it, as Enter does from the keyboard", { path: LEDGERLY }, async (viewer, page) => {
  const box = await bars(viewer).boundingBox();
  await page.mouse.click(box.x + box.width * 0.7, box.y + box.height - 4);
  await page.waitForURL(/since=.*until=/);
  const clicked = stretch(viewer);
  const week = 7 * 86_400_000;
  assert.equal(Date.parse(clicked.until) - Date.parse(clicked.since), week);
  assert.equal(await viewer.total(), await count(all(clicked)));
  await viewer.histogram.focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.searchParams.get("until") !== clicked.until);
  const entered = stretch(viewer);
  assert.ok(Date.parse(clicked.since) < Date.parse(entered.since) && Date.parse(entered.until) < Date.parse(clicked.until), JSON.stringify(entered));
  assert.equal(await viewer.total(), await count(all(entered)));
  await viewer.histogram.focus();
  await page.keyboard.press("Backspace");
  await page.waitForURL((url) => url.searchParams.get("until") === clicked.until);
});

viewerTest("each facet counts what the API counts, also while one of its values is chosen", { path: LEDGERLY }, async (viewer, page) => {
  const fields = { "Action": "action", "Actor": "actor.id", "Target type": "targets.type", "Category": "category", "Result": "outcome.result", "Operation": "operation", "Address": "context.ip" };
  const check = async (narrowed, free) => {
    for (const [name, path] of Object.entries(fields)) {
      const { counts } = await api("/v1/summary", all({ by: path, limit: 8, ...(path === free ? {} : narrowed) }));
      const read = (await viewer.facetValues(name)).filter(([value]) => value !== "");
      assert.deepEqual(read, counts[path].values.map(({ value, count }) => [value, count]), name);
    }
  };
  await check({});
  await viewer.facetValue("Result", "Failure").locator(".pick").click();
  await page.waitForURL(/outcome_result=failure/);
  await viewer.settled();
  await check({ outcome_result: "failure" }, "outcome.result");
  assert.equal(await viewer.total(), await count(all({ outcome_result: "failure" })));
});

viewerTest("a facet's value is kept or left out by a click, and let go by another", { path: LEDGERLY }, async (viewer, page) => {
  const whole = await viewer.total();
  const failures = await count(all({ outcome_result: "failure" }));
  const failure = viewer.facetValue("Result", "Failure");
  await failure.locator(".pick").click();
  await until(async () => (await viewer.total()) === failures, "only failures");
  await failure.locator(".pick").click();
  await until(async () => (await viewer.total()) === whole, "all again");
  await failure.hover();
  await failure.locator(".minus").click();
  await until(async () => (await viewer.total()) === whole - failures, "all but failures");
  assert.match(await viewer.chips.first().innerText(), /is not\s+Failure/);
});

viewerTest("a chip is turned round, and taken away", { path: `${LEDGERLY}&outcome_result=denied` }, async (viewer, page) => {
  const [whole, denied] = [await count(all({})), await count(all({ outcome_result: "denied" }))];
  assert.equal(await viewer.total(), denied);
  await viewer.chips.first().locator(".text").click();
  await until(async () => (await viewer.total()) === whole - denied, "what was not denied");
  await page.getByRole("button", { name: /^Remove/ }).click();
  await until(async () => (await viewer.total()) === whole, "everything");
  assert.equal(await viewer.chips.count(), 0);
});

viewerTest("the search box completes names of fields, then their values, and people by their names", { path: LEDGERLY }, async (viewer, page) => {
  await viewer.searchBox.fill("targ");
  await page.getByRole("option").filter({ hasText: "targets.type:" }).click();
  assert.equal(await viewer.searchBox.inputValue(), "targets.type:");
  await viewer.searchBox.pressSequentially("invo");
  const offered = page.getByRole("option").filter({ hasText: "invoice" }).first();
  await offered.waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL(/targets_type=invoice/);
  assert.equal(await viewer.total(), await count(all({ targets_type: "invoice" })));
  const [renato] = await events(all({ limit: 1, actor_name: "Renato Valadim" }));
  await viewer.complete("actor.id:valadim", /renato.valadim/i);
  assert.equal(viewer.query.get("actor_id"), renato.actor.id);
  assert.equal(await viewer.total(), await count(all({ targets_type: "invoice", actor_id: renato.actor.id })));
});

viewerTest("the search box takes words, a filter, and a field that is not to be", { path: LEDGERLY }, async (viewer) => {
  await viewer.search("Rio Claro");
  assert.equal(viewer.query.get("q"), "Rio Claro");
  assert.equal(await viewer.total(), await count(all({ q: "Rio Claro" })));
  const filter = 'action eq "invoice.approve" and metadata.amount gt 49000';
  await viewer.page.getByRole("button", { name: "Clear all" }).click();
  await viewer.search(filter);
  assert.equal(viewer.query.get("filter"), filter);
  assert.equal(await viewer.total(), await count(all({ filter })));
  await viewer.page.getByRole("button", { name: "Clear all" }).click();
  await viewer.search("-actor.type:user");
  assert.equal(await viewer.total(), await count(all({ filter: 'actor.type ne "user"' })));
});

viewerTest("a filter that is none is told of in words, and nothing is shown for it", { path: LEDGERLY, expected: [/400 \(Bad Request\)/] }, async (viewer, page) => {
  await viewer.searchBox.fill('actor.id eq "');
  await viewer.searchBox.press("Enter");
  await page.getByRole("alert").filter({ hasText: /filter/ }).waitFor();
  assert.equal(await page.getByRole("grid").count(), 0);
});

viewerTest("what nothing fits is said so, with a way out", { path: "/viewer?tenant=ledgerly&last=7d&q=nosuchwordanywhere" }, async (viewer, page) => {
  await page.getByRole("heading", { name: "Nothing found" }).waitFor();
  await page.getByRole("button", { name: "Drop the filters" }).click();
  await until(async () => (await viewer.total()) > 0, "events");
});

viewerTest("the address is the question: again, elsewhere, back and forth it shows the same", { path: LEDGERLY }, async (viewer, page) => {
  await viewer.search("action:invoice.approve");
  const approvals = await viewer.total();
  await viewer.facetValue("Result", "Success").locator(".pick").click();
  await page.waitForURL(/outcome_result=success/);
  const successes = await viewer.total();
  assert.ok(successes < approvals);
  await page.getByRole("combobox", { name: "Stacked by" }).selectOption("operation");
  await page.waitForURL(/split=operation/);
  await viewer.row(3).click();
  await page.waitForURL(/event=/);
  const address = page.url();
  await page.reload();
  assert.equal(await viewer.total(), successes);
  assert.equal(await viewer.chips.count(), 2);
  await viewer.event.waitFor();
  const copy = await page.context().newPage();
  await copy.goto(address);
  const other = new ViewerPage(copy, demo);
  assert.equal(await other.total(), successes);
  await other.event.waitFor();
  await copy.close();
  await page.goBack();
  await viewer.event.waitFor({ state: "detached" });
  await page.goBack();
  await until(async () => (await viewer.total()) === approvals, "what was before");
  await page.goForward();
  await until(async () => (await viewer.total()) === successes, "what came then");
});

viewerTest("time is relative or absolute, and read by one's own clock or in UTC", { path: "/viewer?tenant=ledgerly" }, async (viewer, page) => {
  await viewer.lookAt("Last 7 days");
  assert.equal(viewer.query.get("last"), "7d");
  const [newest] = await events(all({ limit: 1 }));
  const cell = viewer.row(1).getByRole("gridcell").first();
  const [here, utc] = [ZONE, "UTC"].map((timeZone) => new Date(newest.occurred_at).toLocaleString("sv-SE", { timeZone }));
  assert.equal(await cell.innerText(), here);
  await page.locator("annals-time-range .shown").click();
  await page.getByRole("button", { name: "UTC", exact: true }).click();
  await cell.filter({ hasText: utc }).waitFor();
  const day = newest.occurred_at.slice(0, 10);
  await page.getByRole("textbox", { name: "From" }).fill(`${day}T06:00:00`);
  await page.getByRole("textbox", { name: "To" }).fill(`${day}T12:00:00`);
  await page.getByRole("button", { name: "Apply" }).click();
  await page.waitForURL(/since=/);
  assert.deepEqual(stretch(viewer), { since: `${day}T06:00:00.000Z`, until: `${day}T12:00:00.000Z` });
  assert.equal(await viewer.total(), await count(all({ since: `${day}T06:00:00Z`, until: `${day}T12:00:00Z` })));
  await page.reload();
  await page.locator("annals-time-range .shown").click();
  assert.equal(await page.getByRole("button", { name: "UTC", exact: true }).getAttribute("aria-pressed"), "true");
});

/** The event at a place among all of a tenant's, counted from 1, by walking there page by page. */
async function at(number, params = {}) {
  let page = await api("/v1/events", all({ limit: 1000, ...params }));
  for (let seen = 1000; seen < number; seen += 1000) page = await api("/v1/events", { cursor: page.next, limit: 1000 });
  return page.events[(number - 1) % 1000];
}

viewerTest("whoever scrolls to the 10,000th row, or to the last, finds the event that stands there", { path: LEDGERLY }, async (viewer, page) => {
  const rows = await viewer.total();
  const scroll = (number) => viewer.table.evaluate((table, part) => (table.scrollTop = part * table.firstElementChild.clientHeight), (number - 1) / rows);
  for (const [number, truth] of [[10_000, await at(10_000)], [rows, (await events(all({ order: "asc", limit: 1 })))[0]]]) {
    await scroll(number);
    await viewer.row(number).getByText(truth.action, { exact: true }).click({ trial: true });
    await viewer.row(number).getByRole("gridcell").first().click();
    await page.waitForURL((url) => url.searchParams.get("event") === truth.id);
    await page.keyboard.press("Escape");
    await page.waitForURL((url) => !url.searchParams.has("event"));
  }
});

viewerTest("the keyboard goes through the rows, opens them, and closes them again", { path: LEDGERLY }, async (viewer, page) => {
  const [first, second, third] = await events(all({ limit: 3 }));
  const opened = (event) => page.waitForURL((url) => url.searchParams.get("event") === event.id);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await opened(first);
  await viewer.table.focus();
  await page.keyboard.press("ArrowDown");
  await opened(second);
  await page.keyboard.press("j");
  await opened(third);
  await page.keyboard.press("Escape");
  await viewer.event.waitFor({ state: "detached" });
  await viewer.table.focus();
  await page.keyboard.press("End");
  const [oldest] = await events(all({ order: "asc", limit: 1 }));
  await viewer.row(await viewer.total()).getByText(oldest.action, { exact: true }).waitFor();
  await page.keyboard.press("Enter");
  await opened(oldest);
});

viewerTest("a value in a row is kept, left out, or followed to its page", { path: LEDGERLY }, async (viewer, page) => {
  const [newest] = await events(all({ limit: 1 }));
  const action = viewer.row(1).locator("button").filter({ hasText: newest.action }).first();
  await viewer.use(action, "Without these");
  await page.waitForURL(/not\.action=/);
  assert.equal(await viewer.total(), await count(all({ filter: `action ne "${newest.action}"` })));
  await viewer.use(viewer.row(1).locator("button").nth(0), "All about this actor");
  await page.waitForURL(/\/viewer\/actor\?/);
});

viewerTest("rows stand newest first, or oldest first", { path: LEDGERLY }, async (viewer, page) => {
  const [oldest] = await events(all({ order: "asc", limit: 1 }));
  await page.getByRole("button", { name: /^Time/ }).last().click();
  await page.waitForURL(/order=asc/);
  await viewer.settled();
  await viewer.row(1).getByRole("gridcell").first().click();
  await page.waitForURL((url) => url.searchParams.get("event") === oldest.id);
});

viewerTest("a view is saved under a name, found again, and thrown away", { path: LEDGERLY }, async (viewer, page) => {
  await viewer.search("action:invoice.approve");
  const approvals = await viewer.total();
  const views = page.locator("annals-views");
  await views.getByRole("button").first().click();
  await views.getByRole("textbox").fill("Approvals");
  await page.keyboard.press("Enter");
  await viewer.open(LEDGERLY);
  assert.notEqual(await viewer.total(), approvals);
  await views.getByRole("button").first().click();
  await views.getByText("Approvals", { exact: true }).click();
  await page.waitForURL(/action=invoice\.approve/);
  assert.equal(await viewer.total(), approvals);
  await views.getByRole("button").first().click();
  await views.getByRole("button", { name: /(Delete|Remove|Forget).*Approvals/ }).click();
  await views.getByText("Approvals", { exact: true }).waitFor({ state: "detached" });
});

viewerTest("who read what stands on a page of its own", { path: LEDGERLY, key: keyOf("ledgerly") }, async (viewer, page) => {
  await count({ q: "whatwasaskedfor" }, { key: keyOf("ledgerly") });
  await page.getByRole("link", { name: "Access log" }).click();
  await page.waitForURL(/\/viewer\/access/);
  await until(async () => {
    await page.getByRole("button", { name: "Refresh" }).click();
    await viewer.settled();
    return viewer.row(1).getByText("annals.access").isVisible();
  }, "what was read");
});

viewerTest("the operator goes from tenant to tenant; a tenant's own key sees no other", { path: "/viewer?last=all" }, async (viewer, page) => {
  const choice = page.getByRole("combobox", { name: "Tenant" });
  for (const { id } of demo.tenants) {
    await choice.selectOption(id);
    await page.waitForURL((url) => url.searchParams.get("tenant") === id);
    assert.equal(await viewer.total(), await count({ tenant: id }), id);
  }
  await choice.selectOption({ label: "All tenants" });
  await until(async () => (await viewer.total()) === (await count({})), "all tenants' events");
});

viewerTest("a tenant's own key sees its own events alone", { path: "/viewer?last=all", key: keyOf("mosaic-health") }, async (viewer, page) => {
  assert.equal(await viewer.total(), await count({ tenant: "mosaic-health" }));
  assert.equal(await page.getByRole("combobox", { name: "Tenant" }).count(), 0);
});

viewerTest("what takes too long says so, and how to make it quick", { expected: [/503/] }, async (viewer, page) => {
  let busy = true;
  await page.route((url) => url.pathname === "/v1/events", (route) => {
    if (!busy) return route.continue();
    const problem = { type: "about:blank", title: "too much at once", status: 503, code: "busy", detail: "the question needs more than 5 s; ask for a shorter time", request_id: "r-1" };
    return route.fulfill({ status: 503, contentType: "application/problem+json", headers: { "retry-after": "1" }, body: JSON.stringify(problem) });
  });
  await page.goto(demo.url + LEDGERLY);
  const alert = page.getByRole("alert").filter({ hasText: "This takes too long" });
  await alert.getByText(/A shorter time or one more filter/).waitFor();
  busy = false;
  await alert.getByRole("button", { name: "Try again" }).click();
  assert.equal(await viewer.total(), await count(all({})));
});

viewerTest("when the server does not answer, that is said, and it is asked again by itself", { expected: [/ERR_CONNECTION_REFUSED/] }, async (viewer, page) => {
  let away = true;
  await page.route((url) => url.pathname === "/v1/events" || url.pathname === "/v1/summary", (route) => (away ? route.abort("connectionrefused") : route.continue()));
  await page.goto(demo.url + LEDGERLY);
  await page.getByText("The server does not answer").first().waitFor();
  away = false;
  await viewer.row(1).getByRole("gridcell").first().waitFor();
  assert.equal(await viewer.total(), await count(all({})));
});
