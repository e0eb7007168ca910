// The pages of an actor and of a target: all that they did or that was done to them, and how a thing looked at any moment.

import assert from "node:assert/strict";
import { ZONE, api, count, events, viewerTest } from "./support.mjs";

/** All changes of a video's title, oldest first, of that video that was renamed most often. */
async function renamed() {
  const { counts } = await api("/v1/summary", { tenant: "northwind-video", filter: "changes.after.name pr", by: "targets.id", limit: 1 });
  const id = counts["targets.id"].values[0].value;
  const changes = await events({ tenant: "northwind-video", targets_id: id, order: "asc", filter: "changes.after.name pr" });
  return { id, changes };
}

/** An instant as the browser's own clock shows it. */
const local = (instant) => new Date(instant).toLocaleString("sv-SE", { timeZone: ZONE });

viewerTest("an actor's page says who it is, what it did, and what was done to it", {}, async (viewer, page) => {
  const [tomasz] = await events({ tenant: "northwind-video", actor_name: "Tomasz Wieczornik", limit: 1 });
  const { id } = tomasz.actor;
  await page.goto(`${viewer.server.url}/viewer/actor?tenant=northwind-video&last=all&id=${id}`);
  await page.getByRole("heading", { name: "Tomasz Wieczornik", level: 1 }).waitFor();
  const within = { tenant: "northwind-video" };
  const told = async (name) => page.locator("annals-actor dl.stats div").filter({ has: page.getByText(name, { exact: true }) }).locator("dd");
  const [did, doneTo, behalf] = await Promise.all([count({ ...within, actor_id: id }), count({ ...within, targets_id: id }), count({ ...within, actor_chain_id: id })]);
  await (await told("Did")).getByText(did.toLocaleString("en"), { exact: true }).waitFor();
  assert.equal(await (await told("Done to them")).innerText(), doneTo.toLocaleString("en"));
  assert.equal(await (await told("On their behalf")).innerText(), behalf.toLocaleString("en"));
  // The newest of all is what the key in his pocket did.
  const [newest] = await events({ ...within, filter: `actor.id eq "${id}" or targets.id eq "${id}" or actor.chain.id eq "${id}"`, limit: 1 });
  await page.locator("annals-timeline").getByText(newest.description).first().waitFor();
  await page.locator("annals-timeline").getByText(newest.description).first().click();
  await page.waitForURL((url) => url.searchParams.get("event") === newest.id);
  await viewer.event.getByRole("heading", { name: newest.description }).waitFor();
});

viewerTest("a target's page tells what it was called at any moment, and who called it so", {}, async (viewer, page) => {
  const { id, changes } = await renamed();
  assert.ok(changes.length >= 3, "it was renamed too seldom");
  await page.goto(`${viewer.server.url}/viewer/target?tenant=northwind-video&last=all&type=video&id=${id}`);
  const name = page.locator("annals-target-history").getByRole("row").filter({ has: page.getByRole("rowheader", { name: /^name/ }) });
  const title = name.locator(".value").first();
  await title.getByText(changes.at(-1).changes.after.name, { exact: true }).waitFor();
  for (const [at, change] of changes.slice(0, -1).entries()) {
    const moment = new Date((Date.parse(change.occurred_at) + Date.parse(changes[at + 1].occurred_at)) / 2);
    await page.getByLabel("As of", { exact: true }).and(page.locator("input")).fill(local(moment).replace(" ", "T"));
    await title.getByText(change.changes.after.name, { exact: true }).waitFor();
    await name.getByText(change.actor.name).first().waitFor();
  }
  await page.reload();
  await title.getByText(changes.at(-2).changes.after.name, { exact: true }).waitFor();
});

viewerTest("where whole states were sent, a target's picture is exact", {}, async (viewer, page) => {
  await page.goto(`${viewer.server.url}/viewer/target?tenant=mosaic-health&last=all&type=setting&id=records.retention`);
  const row = (name) => page.locator("annals-target-history").getByRole("row").filter({ has: page.getByRole("rowheader", { name: new RegExp(`^${name}`) }) });
  await row("days").locator(".value").first().getByText("3650", { exact: true }).waitFor();
  const [cut] = await events({ tenant: "mosaic-health", targets_id: "records.retention", action: "settings.update" });
  const minuteLater = new Date(Date.parse(cut.occurred_at) + 60_000);
  await page.getByLabel("As of", { exact: true }).and(page.locator("input")).fill(local(minuteLater).replace(" ", "T"));
  await row("days").locator(".value").first().getByText("365", { exact: true }).waitFor();
  await row("days").getByText("Kenji Morishige").first().waitFor();
  await row("legal_hold").locator(".value").first().getByText("false", { exact: true }).waitFor();
});

viewerTest("what nobody ever spoke of is said so", {}, async (viewer, page) => {
  await page.goto(`${viewer.server.url}/viewer/actor?tenant=northwind-video&last=all&id=nobody`);
  await page.getByText("No event speaks of this actor").waitFor();
  await page.goto(`${viewer.server.url}/viewer/target?tenant=northwind-video&last=all&type=video&id=nothing`);
  await page.getByText("No event speaks of this target").waitFor();
});
