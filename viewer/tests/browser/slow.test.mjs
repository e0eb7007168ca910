// On a slow phone and a bad line it is slow, but it works. What is measured is told; only that it works is tested.

import assert from "node:assert/strict";
import { count, viewerTest } from "./support.mjs";

const CPU_SLOWER = 6;
const LATENCY_MS = 1_000;
const BYTES_PER_SECOND = 400_000;

/** Rows that are scrolled through, a stretch at a time. */
const ROWS = 100_000;
const STRETCH = 4_000;

viewerTest("on a slow phone behind a bad line rows appear, and the keyboard answers", { width: 390, height: 844, patience: 60_000 }, async (viewer, page, t) => {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Emulation.setCPUThrottlingRate", { rate: CPU_SLOWER });
  await devtools.send("Network.enable");
  await devtools.send("Network.emulateNetworkConditions", { offline: false, latency: LATENCY_MS, downloadThroughput: BYTES_PER_SECOND, uploadThroughput: BYTES_PER_SECOND });
  const begun = Date.now();
  await page.goto(`${viewer.server.url}/viewer?tenant=northwind-video&last=all`, { waitUntil: "commit" });
  await viewer.row(1).getByRole("gridcell").first().waitFor();
  t.diagnostic(`first rows of a first visit after ${((Date.now() - begun) / 1000).toFixed(1)} s`);
  await viewer.settled();
  t.diagnostic(`all that it shows after ${((Date.now() - begun) / 1000).toFixed(1)} s`);
  const again = Date.now();
  await page.reload({ waitUntil: "commit" });
  await viewer.row(1).getByRole("gridcell").first().waitFor();
  t.diagnostic(`first rows of the next visit after ${((Date.now() - again) / 1000).toFixed(1)} s`);
  await viewer.settled();
  await viewer.table.focus();
  await page.evaluate(() => {
    globalThis.delays = [];
    // From the key to the frame that shows what came of it.
    addEventListener("keydown", (event) => requestAnimationFrame(() => requestAnimationFrame(() => globalThis.delays.push(performance.now() - event.timeStamp))), true);
  });
  for (let step = 0; step < 30; step++) await page.keyboard.press("ArrowDown");
  await page.waitForFunction(() => globalThis.delays.length === 30);
  const delays = (await page.evaluate(() => globalThis.delays)).sort((a, b) => a - b);
  t.diagnostic(`from key to picture ${Math.round(delays[15])} ms, at most ${Math.round(delays[29])} ms, of 30`);
  await page.keyboard.press("Enter");
  await viewer.event.getByRole("heading").first().waitFor();
});

viewerTest("scrolling through 100,000 rows leaves no more behind than the first thousands", { patience: 60_000 }, async (viewer, page, t) => {
  const rows = await count({});
  assert.ok(rows > ROWS);
  const devtools = await page.context().newCDPSession(page);
  const heap = async () => {
    await devtools.send("HeapProfiler.collectGarbage");
    return (await devtools.send("Runtime.getHeapUsage")).usedSize / 1024 ** 2;
  };
  await viewer.open("/viewer?last=all");
  const fresh = await heap();
  const rowPx = await viewer.row(1).evaluate((row) => row.offsetHeight);
  let early = 0;
  for (let at = STRETCH; at <= ROWS; at += STRETCH) {
    await viewer.table.evaluate((table, top) => (table.scrollTop = top), (at - 1) * rowPx);
    await viewer.row(at).locator("button").first().waitFor();
    if (at === 20_000) early = await heap();
  }
  const late = await heap();
  t.diagnostic(`JS heap: ${fresh.toFixed(1)} MiB at first, ${early.toFixed(1)} MiB after 20,000 rows, ${late.toFixed(1)} MiB after 100,000`);
  assert.ok(late < early * 1.5 + 10, "memory grows with the rows");
});
