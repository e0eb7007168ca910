// Pictures of the viewer's pages, to be looked at: `node tests/screenshots.mjs URL KEY OUTDIR`, against a demo that runs, with the operator's key.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { installed } from "./browser/installed.mjs";

const [url, key, out] = process.argv.slice(2);
if (!out) {
  console.error("usage: node tests/screenshots.mjs URL KEY OUTDIR");
  process.exit(2);
}

/** Phone, laptop, wall. */
const SIZES = [[390, 844], [1280, 800], [1920, 1080]];

/** What the demo's most looked at events are found by. */
const ask = async (params) => {
  const asked = new URL("/v1/events", url);
  for (const [name, value] of Object.entries({ limit: "1", ...params })) asked.searchParams.set(name, value);
  const answer = await fetch(asked, { headers: { authorization: `Bearer ${key}` } });
  return (await answer.json()).events[0];
};
const cut = await ask({ tenant: "mosaic-health", targets_id: "records.retention", action: "settings.update" });
const approved = await ask({ tenant: "ledgerly", targets_id: "inv_aurora_0097", action: "invoice.approve" });
const renamed = await ask({ tenant: "northwind-video", filter: "changes.after.name pr" });

const click = (selector) => (page) => page.locator(selector).first().click();

/** Each page: where it is, and what is done there before the picture. */
const PAGES = {
  "sign-in": [null],
  "list": ["/viewer?tenant=northwind-video"],
  "guesses": ["/viewer?tenant=ledgerly&outcome_result=failure&last=7d"],
  "event": [`/viewer?tenant=mosaic-health&last=all&targets_id=records.retention&event=${cut.id}`],
  "proof": [`/viewer?tenant=ledgerly&last=all&targets_id=inv_aurora_0097&event=${approved.id}`, (page) => page.locator("annals-proof").evaluate((element) => element.scrollIntoView())],
  "json": [`/viewer?tenant=ledgerly&last=all&targets_id=inv_aurora_0097&event=${approved.id}`, click("annals-event [role=tab] >> nth=1")],
  "completion": ["/viewer?tenant=northwind-video", (page) => page.locator("annals-search-box input").fill("act")],
  "time": ["/viewer?tenant=northwind-video", click("annals-time-range .shown")],
  "export": ["/viewer?tenant=northwind-video&action=video.delete", click("annals-export button")],
  "views": ["/viewer?tenant=northwind-video", click("annals-views button")],
  "live": ["/viewer?tenant=northwind-video&live", (page) => page.locator("annals-live-bar .dot.live").waitFor()],
  "nothing": ["/viewer?tenant=northwind-video&q=nosuchword"],
  "access": ["/viewer/access?tenant=northwind-video"],
  "actor": [`/viewer/actor?tenant=northwind-video&last=all&id=${renamed.actor.id}`],
  "target": [`/viewer/target?tenant=northwind-video&last=all&type=video&id=${renamed.targets[0].id}`],
};

mkdirSync(out, { recursive: true });
const browser = await chromium.launch({ executablePath: installed(), args: ["--no-sandbox", "--disable-gpu"] });
for (const [width, height] of SIZES) {
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, locale: "en-GB", timezoneId: "Europe/Berlin" });
    const page = await context.newPage();
    for (const [name, [path, then]] of Object.entries(PAGES)) {
      // What follows events as they come never rests.
      const rests = path?.endsWith("live") ? "load" : "networkidle";
      await page.goto(new URL(path ?? "/viewer", url).href, { waitUntil: rests });
      await then?.(page);
      await page.waitForLoadState(rests);
      await page.screenshot({ path: join(out, `${name}-${width}-${colorScheme}.png`), animations: "disabled" });
      if (path === null) await context.request.post(new URL("/v1/session", url).href, { data: { key } });
    }
    await context.close();
  }
}
await browser.close();
