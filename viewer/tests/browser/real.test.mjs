// What real systems wrote, in the viewer: every tenant's page opens, shows its rows, and opens an event, and nothing is wrong with it.

import assert from "node:assert/strict";
import { passesAxe, count, real, tooWide, viewerTest } from "./support.mjs";

const server = real ?? undefined;
const skip = real === null ? "there are no events of real systems" : undefined;

for (const { id } of real?.tenants ?? [{ id: "real systems" }]) {
  viewerTest(`events of ${id} are listed, opened and proven`, { server, skip }, async (viewer, page) => {
    await viewer.open(`/viewer?tenant=${id}&last=all`);
    assert.equal(await viewer.total(), await count({ tenant: id }, { url: server.url, key: server.operator_key }));
    await passesAxe(page);
    await viewer.row(1).click({ position: { x: 4, y: 4 } });
    await viewer.event.getByRole("heading").first().waitFor();
    await viewer.event.locator("annals-proof").evaluate((element) => element.scrollIntoView());
    await viewer.event.locator("annals-proof li.good").first().waitFor();
    await passesAxe(page);
    assert.ok((await tooWide(page)) <= 0);
    await viewer.table.focus();
    for (let step = 0; step < 10; step++) await page.keyboard.press("ArrowDown");
    await viewer.event.getByRole("tab", { name: "JSON" }).click();
    JSON.parse(await viewer.event.locator("pre").innerText());
  });
}
