// How soon the viewer shows something: `node tests/first-rows.mjs URL KEY ADDRESS…`, such as `"/viewer?last=all"`, against a server that runs.
// For each address, eight visits in tabs that stand already: from the navigation's begin until the first row and the bars are there, ms; the first visit finds nothing cached.

import { chromium } from "playwright-core";
import { installed } from "./browser/installed.mjs";

const [url, key, ...addresses] = process.argv.slice(2);
if (!addresses.length) {
  console.error("usage: node tests/first-rows.mjs URL KEY ADDRESS…");
  process.exit(2);
}

const VISITS = 8;

/** What a fresh tab is given to come to rest. */
const TAB_MS = 700;

/** Runs in the page: notes when what is looked for is there. */
function watch() {
  const look = () => {
    const explorer = document.querySelector("annals-app")?.shadowRoot?.querySelector("annals-explorer")?.shadowRoot;
    const inside = (element, what) => explorer?.querySelector(element)?.shadowRoot?.querySelector(what);
    if (inside("annals-table", ".all .time")) window.rowsAt ??= performance.now();
    if (inside("annals-histogram", "canvas")) window.barsAt ??= performance.now();
    if (!window.rowsAt || !window.barsAt) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

const browser = await chromium.launch({ executablePath: installed(), args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
await context.request.post(`${url}/v1/session`, { data: { key }, headers: { origin: url } });
for (const address of addresses) {
  const visits = [];
  for (let visit = 0; visit < VISITS; visit++) {
    const page = await context.newPage();
    await page.addInitScript(watch);
    // A browser that opens a tab is busy with itself for a while.
    await page.waitForTimeout(TAB_MS);
    await page.goto(url + address);
    await page.waitForFunction(() => window.rowsAt && window.barsAt, null, { timeout: 60_000 });
    visits.push(await page.evaluate(() => ({ rows: Math.round(window.rowsAt), bars: Math.round(window.barsAt) })));
    await page.close();
  }
  const median = (name) => visits.map((visit) => visit[name]).sort((one, other) => one - other)[VISITS / 2];
  console.log(`${address}: rows ${visits[0].rows} at first, ${median("rows")} median; bars ${visits[0].bars} at first, ${median("bars")} median`);
}
await browser.close();
