// An event, open beside the table: what changed, what it was about, and its proof, checked by the reader's own browser.

import assert from "node:assert/strict";
import { api, count, events, viewerTest } from "./support.mjs";

/** Ten years of records nearly cut to one: an event with both whole states. */
const [CUT] = await events({ tenant: "mosaic-health", targets_id: "records.retention", action: "settings.update" });

const OPEN = `/viewer?tenant=mosaic-health&last=all&event=${CUT.id}`;

/** A part of the open event, by its heading. */
const section = (viewer, name) => viewer.event.locator("section").filter({ has: viewer.page.getByRole("heading", { name, exact: true }) });

viewerTest("an event opens beside the table and says what happened, who did it, and from where", { path: "/viewer?tenant=mosaic-health&last=all&targets_id=records.retention" }, async (viewer, page) => {
  await viewer.row(3).getByRole("gridcell").first().click();
  await viewer.event.getByRole("heading", { name: CUT.description }).waitFor();
  await viewer.table.waitFor();
  for (const text of [CUT.actor.name, CUT.actor.id, CUT.context.ip, CUT.request.id, "meant for the test clinic", "/settings/records.retention"]) {
    await viewer.event.getByText(text, { exact: true }).first().waitFor();
  }
  await viewer.event.getByRole("button", { name: /^Previous/ }).click();
  await page.waitForURL((url) => url.searchParams.get("event") !== CUT.id);
  await viewer.event.getByRole("button", { name: "Close" }).click();
  await viewer.event.waitFor({ state: "detached" });
});

viewerTest("an event that a link opens is brought into view and marked, however far down it stands", { path: OPEN }, async (viewer, page) => {
  const tenant = "northwind-video";
  const [far] = await events({ tenant, order: "asc", skip: 3000, limit: 1 });
  const total = await count({ tenant });
  const marked = viewer.table.locator('[role=row][aria-selected="true"]');
  for (const [order, place] of [["", total - 3000], ["&order=asc", 3001]]) {
    await viewer.open(`/viewer?tenant=${tenant}&last=all${order}&event=${far.id}`);
    await marked.waitFor();
    assert.equal(await marked.getAttribute("aria-rowindex"), String(place));
    await marked.getByText(far.action, { exact: true }).waitFor();
    const [seen, row] = [await viewer.table.boundingBox(), await marked.boundingBox()];
    assert.ok(row.y >= seen.y && row.y + row.height <= seen.y + seen.height, "it is out of view");
  }
  // From there the keyboard goes on.
  await viewer.table.focus();
  await page.keyboard.press("ArrowDown");
  await page.waitForURL((url) => url.searchParams.get("event") !== far.id);
  assert.equal(await marked.getAttribute("aria-rowindex"), "3002");
});

viewerTest("an event that is none of those found is said to be so, with a way to them", { path: `/viewer?tenant=mosaic-health&last=all&not.targets_id=records.retention&event=${CUT.id}` }, async (viewer) => {
  await viewer.page.getByText("The open event is none of these.").waitFor();
  await viewer.page.getByRole("button", { name: "Show it among all" }).click();
  await viewer.table.locator('[role=row][aria-selected="true"]').getByText(CUT.action, { exact: true }).waitFor();
  assert.equal(await viewer.page.getByText("The open event is none of these.").count(), 0);
});

viewerTest("what changed stands there as a difference, what stayed is folded away", { path: OPEN }, async (viewer) => {
  const changes = section(viewer, "What changed");
  const line = (name) => changes.locator("li").filter({ has: viewer.page.locator("bdi.name").getByText(name, { exact: true }) });
  await line("days").waitFor();
  await line("days").locator(".removed").getByText("3650", { exact: true }).waitFor();
  await line("days").locator(".added").getByText("365", { exact: true }).waitFor();
  await line("legal_hold").locator(".added").getByText("false", { exact: true }).waitFor();
  await changes.getByText("1 unchanged").click();
  await changes.getByText("03:00").waitFor();
});

viewerTest("metadata are a tree, each value of which narrows the question", { path: OPEN }, async (viewer, page) => {
  const [denied] = await events({ tenant: "mosaic-health", action: "retention.preview" });
  await viewer.open(`/viewer?tenant=mosaic-health&last=all&event=${denied.id}`);
  const metadata = section(viewer, "Metadata");
  await metadata.getByText("yesterday").waitFor();
  await viewer.use(metadata.locator("annals-value").filter({ hasText: "12480" }), "Only these");
  await page.waitForURL(/is\.metadata\.due=12480/);
  assert.equal(await viewer.total(), await count({ tenant: "mosaic-health", filter: "metadata.due eq 12480" }));
});

viewerTest("the event as JSON is what the API gives, on the page and on the clipboard", { path: OPEN }, async (viewer, page) => {
  const truth = await api(`/v1/events/${CUT.id}`, { tenant: "mosaic-health" });
  await viewer.event.getByRole("tab", { name: "JSON" }).click();
  assert.deepEqual(JSON.parse(await viewer.event.locator("pre").innerText()), truth);
  const copied = async (what) => {
    await page.evaluate(() => navigator.clipboard.writeText(""));
    await viewer.event.getByRole("button", { name: "Copy", exact: true }).click();
    await viewer.event.getByRole("menuitem", { name: what }).click();
    await viewer.event.getByText("Copied").waitFor();
    return page.evaluate(() => navigator.clipboard.readText());
  };
  assert.deepEqual(JSON.parse(await copied("Copy JSON")), truth);
  assert.match(await copied("Copy as curl"), new RegExp(`^curl .*/v1/events/${CUT.id}\\?tenant=mosaic-health`));
  assert.equal(await copied("Copy link"), page.url());
});

viewerTest("what else belongs to it is counted, and one click away", { path: OPEN }, async (viewer, page) => {
  const related = section(viewer, "Related");
  const same = related.getByRole("button", { name: /^Same target/ });
  await same.scrollIntoViewIfNeeded();
  await same.getByText("3 events").waitFor();
  await same.click();
  await page.waitForURL(/targets_id=records\.retention/);
  assert.equal(await viewer.total(), 3);
});

viewerTest("what happened around it is one click away, with the event in the midst of it", { path: OPEN }, async (viewer, page) => {
  const around = section(viewer, "Related").getByRole("button", { name: /^Five minutes before and after/ });
  await around.scrollIntoViewIfNeeded();
  const at = Date.parse(CUT.occurred_at);
  const [since, until] = [at - 300_000, at + 300_000].map((ms) => new Date(ms).toISOString());
  const counted = await count({ tenant: "mosaic-health", since, until });
  await around.getByText(`${counted} event`).waitFor();
  await around.click();
  await page.waitForURL((url) => url.searchParams.get("since") === since && url.searchParams.get("until") === until);
  assert.equal(await viewer.total(), counted);
  await viewer.table.locator('[role=row][aria-selected="true"]').getByText(CUT.action, { exact: true }).waitFor();
});

// ---- the proof ----------------------------------------------------------------------------------------------------------------------

/** The lines of the proof once each has been decided: their states. */
async function lines(viewer) {
  const proof = viewer.event.locator("annals-proof ol");
  await viewer.event.locator("annals-proof").evaluate((element) => element.scrollIntoView());
  await proof.and(viewer.page.locator('[aria-busy="false"]')).waitFor();
  const states = await proof.locator("li").evaluateAll((all) => all.map((one) => [...one.classList].find((name) => name !== "line")));
  return { inLog: states[0], sameLog: states[1], witnesses: states[2] };
}

viewerTest("a proof holds against a server that tells the truth, and this browser knows the log again", { path: OPEN }, async (viewer, page) => {
  assert.deepEqual(await lines(viewer), { inLog: "good", sameLog: "neutral", witnesses: "neutral" });
  await page.reload();
  assert.deepEqual(await lines(viewer), { inLog: "good", sameLog: "good", witnesses: "neutral" });
  await viewer.event.getByText(/^Same log as this browser saw on \d{4}-/).waitFor();
});

/** Has the server lie: `change` gets what it says to `path`, and gives what the page hears. */
async function lie(page, path, change) {
  await page.route((url) => url.pathname === path, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: change(await response.text()) });
  });
}

/** A text with one character changed for another of its kind. */
const other = (text, at) => text.slice(0, at) + ({ a: "b", A: "B", 0: "1" }[text[at]] ?? (/[0-9]/.test(text[at]) ? "0" : /[A-Z]/.test(text[at]) ? "A" : "a")) + text.slice(at + 1);

const event = `/v1/events/${CUT.id}`;

const LIES = {
  "a word of the event": [event, (text) => text.replace("for the test clinic", "for the next clinic")],
  "a digit of what was there before": [event, (text) => text.replace('"days":3650', '"days":3651')],
  "when the event was received": [event, (text) => text.replace(/("received_at":"[^"]{18})(.)/, (_, start, digit) => start + other(digit, 0))],
  "a secret of the event's parts": [`${event}/opening`, (text) => text.replace(/("salt":"[^"]{4})(.)/, (_, start, one) => start + other(one, 0))],
  "the position that the proof is of": [`${event}/proof`, (text) => text.replace(/^index (\d+)$/m, (_, index) => `index ${Number(index) + 1}`)],
  "a hash on the way to the root": [`${event}/proof`, (text) => text.split("\n").map((line, at) => (at === 3 ? other(line, 5) : line)).join("\n")],
  "the root": [`${event}/proof`, (text) => checkpoint(text, 2)],
  "the size of the log": [`${event}/proof`, (text) => checkpoint(text, 1)],
  "the signature": [`${event}/proof`, (text) => text.replace(/^(— \S+ .{30})(.)/m, (_, start, one) => start + other(one, 0))],
  "the key": ["/v1/log", (text) => text.replace(/("public_key":"[^"]{90})(.)/, (_, start, one) => start + other(one, 0))],
};

/** A receipt with a character of one line of its checkpoint changed: the origin is line 0. */
function checkpoint(receipt, line) {
  const [before, after] = receipt.split("\n\n", 2);
  const rest = receipt.slice(before.length + 2 + after.length);
  return `${before}\n\n${after.split("\n").map((text, at) => (at === line ? other(text, 1) : text)).join("\n")}${rest}`;
}

for (const [what, [path, change]] of Object.entries(LIES)) {
  viewerTest(`a server that changes ${what} never gets a green line for it`, {}, async (viewer, page) => {
    let lied = false;
    await lie(page, path, (text) => {
      const changed = change(text);
      lied ||= changed !== text;
      return changed;
    });
    await viewer.open(OPEN);
    const { inLog, sameLog, witnesses } = await lines(viewer);
    assert.ok(lied, "the lie was none");
    assert.notEqual(inLog, "good");
    assert.notEqual(sameLog, "good");
    assert.notEqual(witnesses, "good");
  });
}

viewerTest("a log that is another than the one this browser knew is not green again", { path: OPEN }, async (viewer, page) => {
  assert.equal((await lines(viewer)).inLog, "good");
  const changed = await page.evaluate(() => {
    for (const name of Object.keys(localStorage)) {
      const known = JSON.parse(localStorage[name].startsWith("{") ? localStorage[name] : "{}");
      if (!known.root) continue;
      known.root = known.root.replace(/^./, (first) => (first === "A" ? "B" : "A"));
      localStorage[name] = JSON.stringify(known);
      return true;
    }
    return false;
  });
  assert.ok(changed, "it remembers no root");
  await page.reload();
  assert.equal((await lines(viewer)).sameLog, "bad");
});

viewerTest("an event that is not there is said not to be there", { path: "/viewer?tenant=mosaic-health", expected: [/404/] }, async (viewer, page) => {
  await page.goto(`${viewer.server.url}/viewer?tenant=mosaic-health&event=00000000-0000-7000-8000-000000000000`);
  await viewer.event.getByRole("alert").getByText("This event is not here").waitFor();
});
