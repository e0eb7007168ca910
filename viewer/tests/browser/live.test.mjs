// Events appear as they happen; none is lost or told twice, whether one pauses or the server goes away.

import assert from "node:assert/strict";
import { Served, send, until, viewerTest } from "./support.mjs";

/** Tells events `from` to `to` of a tenant. */
const tell = (server, tenant, from, to) =>
  send(Array.from({ length: to - from + 1 }, (_, at) => ({ tenant, action: `step.${from + at}`, actor: { id: "u", name: "Una" } })), server.how);

/** The numbers of all steps that the table shows, from its top. */
const steps = (viewer) => viewer.table.getByRole("button", { name: /^step\./ }).evaluateAll((actions) => actions.map((action) => Number(action.textContent.split(".")[1])));

/** Waits until the table has exactly these steps, the newest first. */
async function shows(viewer, last) {
  const expected = Array.from({ length: last }, (_, at) => last - at);
  await until(async () => JSON.stringify((await steps(viewer)).sort((a, b) => b - a)) === JSON.stringify(expected), `steps ${last} to 1, each once`, 30_000);
  assert.deepEqual((await steps(viewer)).slice().sort((a, b) => b - a), expected);
}

const server = await Served.start();
const live = (viewer) => viewer.page.locator("annals-live-bar");
const follows = (viewer) => live(viewer).getByText("New events appear by themselves").first().waitFor();

viewerTest("what happens appears by itself, newest first", { server }, async (viewer, page) => {
  await tell(server, "appears", 1, 2);
  await viewer.open("/viewer?tenant=appears");
  await live(viewer).getByRole("button", { name: "Live" }).click();
  await page.waitForURL(/live/);
  await follows(viewer);
  await tell(server, "appears", 3, 5);
  await shows(viewer, 5);
  assert.deepEqual((await steps(viewer)).slice(0, 3).sort(), [3, 4, 5]);
  assert.equal(await viewer.total(), 5);
});

viewerTest("while it is paused nothing moves, and nothing is lost", { server }, async (viewer) => {
  await tell(server, "pauses", 1, 2);
  await viewer.open("/viewer?tenant=pauses&live");
  await follows(viewer);
  await live(viewer).getByRole("button", { name: "Pause" }).click();
  await tell(server, "pauses", 3, 9);
  const resume = live(viewer).getByRole("button", { name: "Resume with 7 new" });
  await resume.waitFor();
  await shows(viewer, 2);
  await resume.click();
  await shows(viewer, 9);
  await tell(server, "pauses", 10, 10);
  await shows(viewer, 10);
});

viewerTest("only what the question asks for appears", { server }, async (viewer) => {
  await tell(server, "asks", 1, 1);
  await viewer.open("/viewer?tenant=asks&live&action=step.3&action=step.1");
  await follows(viewer);
  await tell(server, "asks", 2, 3);
  await until(async () => JSON.stringify(await steps(viewer)) === "[3,1]", "step 3 above step 1");
});

viewerTest("when the server is killed and comes back, the page goes on by itself, with nothing lost or told twice", { server, expected: [/ERR_CONNECTION_REFUSED/, /ERR_INCOMPLETE_CHUNKED_ENCODING/, /ERR_CONNECTION_RESET/, /ERR_EMPTY_RESPONSE/] }, async (viewer) => {
  await tell(server, "returns", 1, 3);
  await viewer.open("/viewer?tenant=returns&live");
  await follows(viewer);
  await tell(server, "returns", 4, 5);
  await shows(viewer, 5);
  for (const [from, to] of [[6, 8], [9, 12]]) {
    await server.kill();
    await live(viewer).getByText(/The connection broke/).first().waitFor();
    await server.start();
    // Told before the page is back.
    await tell(server, "returns", from, to);
    await shows(viewer, to);
    await follows(viewer);
  }
  await tell(server, "returns", 13, 13);
  await shows(viewer, 13);
});

viewerTest("whoever reads on stays where they are while events come, and keeps the focus", { server, height: 500 }, async (viewer, page) => {
  await tell(server, "stays", 1, 60);
  await viewer.open("/viewer?tenant=stays&live");
  await follows(viewer);
  await viewer.table.focus();
  for (let step = 0; step < 20; step++) await page.keyboard.press("ArrowDown");
  const active = viewer.table.locator("[role=row].active");
  const before = await active.locator("button").allInnerTexts();
  const place = (await active.boundingBox()).y;
  await tell(server, "stays", 61, 75);
  await until(async () => (await viewer.total()) === 75, "75 events");
  assert.deepEqual(await active.locator("button").allInnerTexts(), before);
  await until(async () => Math.abs((await active.boundingBox()).y - place) < 2, "the row where it was");
  assert.equal(await page.evaluate(() => document.activeElement.shadowRoot.activeElement.shadowRoot.activeElement.localName), "annals-table");
});
