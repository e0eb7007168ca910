// Twelve questions that an administrator asks, as in docs/tutorial/twelve-questions.md. Their answers are what the API says.

import assert from "node:assert/strict";
import { api, count, events, question, shown } from "./support.mjs";

question("who was made an administrator, by whom, and when?", "northwind-video", async (admin, viewer) => {
  const grants = await events({ tenant: "northwind-video", action: "role.grant", filter: 'changes.after.role eq "admin"' });
  assert.ok(grants.length >= 2);
  await admin.types("changes.after.role:admin");
  await admin.looksAt("All time");
  assert.equal(await viewer.total(), grants.length);
  for (const [at, grant] of grants.entries()) await admin.readsInRow(at + 1, shown(grant.occurred_at), grant.actor.name, grant.targets[0].name);
});

question("what did the thief of the deploy key touch?", "northwind-video", async (admin, viewer) => {
  await admin.types("context.ip:2001:db8:bad:cafe::17");
  await admin.types("context.ip:192.0.2.201");
  assert.equal(await viewer.total(), 40);
  assert.deepEqual(await viewer.facetValues("Action"), [["inventory.list", 36], ["video.download", 3], ["apikey.create", 1]]);
  await admin.clicks(viewer.facetValue("Action", "apikey.create").locator(".pick"));
  await admin.readsInRow(1, "CI deploy", "apikey.create", "backup-sync");
});

question("what was this video's title on that day?", "northwind-video", async (admin, viewer) => {
  const renamed = { tenant: "northwind-video", filter: "changes.after.name pr" };
  const { counts } = await api("/v1/summary", { ...renamed, by: "targets.id", limit: 1 });
  const id = counts["targets.id"].values[0].value;
  const [before, after] = (await events({ ...renamed, targets_id: id, order: "asc" })).slice(-3);
  assert.notEqual(before.changes.after.name, after.changes.after.name);
  await admin.types(`targets.id eq "${id}" and changes.after.name pr`);
  await admin.looksAt("All time");
  // Newest first: the title of a day between two changes is what the older one of them set.
  await admin.readsInRow(2, shown(after.occurred_at), after.changes.after.name);
  await admin.readsInRow(3, shown(before.occurred_at), before.changes.after.name);
});

question("who deleted the festival's playlist?", "northwind-video", async (admin, viewer) => {
  await admin.types("pl_festival_main");
  assert.equal(await viewer.total(), 1);
  await admin.readsInRow(1, "tomasz laptop", "playlist.delete", "Festival 2026 – main programme");
  await admin.clicks(viewer.row(1).getByRole("gridcell").first());
  // His key did it; it was his although he was gone.
  await admin.readsInEvent("On behalf of", "Tomasz Wieczornik", "curl/8.14.1");
});

question("what left the house with the key of the one who had left?", "northwind-video", async (admin, viewer) => {
  await admin.types("actor.id:key_tw_laptop");
  assert.equal(await viewer.total(), 7);
  await admin.clicks(viewer.facetValue("Action", "export.create").locator(".pick"));
  assert.equal(await viewer.total(), 3);
  for (const [at, list] of ["Press contacts", "Customer invoices", "Subscribers"].entries()) await admin.readsInRow(at + 1, "export.create", list);
  await admin.clicks(viewer.row(3).getByRole("gridcell").first());
  await admin.readsInEvent("48211");
});

question("when did this administrator last sign in?", "northwind-video", async (admin, viewer) => {
  const [last] = await events({ tenant: "northwind-video", actor_name: "Ana Lindqvist", action: "login", outcome_result: "success", limit: 1 });
  await admin.types('actor.name eq "Ana Lindqvist" and action eq "login"');
  await admin.looksAt("All time");
  await admin.readsInRow(1, shown(last.occurred_at), "Ana Lindqvist", "login");
});

question("what failed in the last days, and from where?", "ledgerly", async (admin, viewer) => {
  await admin.clicks(viewer.facetValue("Result", "Failure").locator(".pick"));
  await admin.looksAt("Last 7 days");
  const addresses = (await viewer.facetValues("Address")).slice(0, 4);
  assert.deepEqual(addresses.map(([address]) => address).sort(), ["192.0.2.161", "192.0.2.162", "192.0.2.163", "192.0.2.178"]);
  for (const [address, failures] of addresses) {
    assert.equal(failures, await count({ tenant: "ledgerly", outcome_result: "failure", context_ip: address }), address);
  }
});

question("which accounts did the guesser try, and did a guess succeed?", "ledgerly", async (admin, viewer) => {
  await admin.types('context.ip cidr "192.0.2.160/27"');
  assert.equal(await viewer.total(), 315);
  assert.deepEqual(await viewer.facetValues("Action"), [["login.failed", 311], ["login.second_factor", 3], ["login.password.accepted", 1]]);
  await admin.clicks(viewer.facetValue("Action", "login.failed").locator(".pick"));
  const [last] = await events({ tenant: "ledgerly", action: "login.failed", filter: 'context.ip cidr "192.0.2.160/27"', limit: 1 });
  await admin.readsInRow(1, last.actor.name ?? last.actor.email);
  await admin.clicks(viewer.facetValue("Action", "login.password.accepted").locator(".pick"));
  const at = (await events({ tenant: "ledgerly", filter: 'context.ip cidr "192.0.2.160/27" and (action eq "login.failed" or action eq "login.password.accepted")' })).findIndex(({ action }) => action === "login.password.accepted");
  await admin.readsInRow(at + 1, "Iolanda Brandolim", "login.password.accepted");
});

question("what happened in this session?", "ledgerly", async (admin, viewer) => {
  const [one] = await events({ tenant: "ledgerly", limit: 1, filter: "context.session_id pr" });
  const session = one.context.session_id;
  const all = await events({ tenant: "ledgerly", context_session_id: session });
  await admin.types(`context.session_id:${session}`);
  assert.equal(await viewer.total(), all.length);
  await admin.readsInRow(1, all[0].action, all[0].actor.name);
  await admin.readsInRow(all.length, all.at(-1).action, shown(all.at(-1).occurred_at));
});

question("what did the assistant do, and with whose right?", "ledgerly", async (admin, viewer) => {
  await admin.types("actor.id:svc_approvals");
  await viewer.page.getByRole("heading", { name: "Nothing found" }).waitFor();
  await admin.clicks(viewer.page.getByRole("button", { name: "Look at all time" }));
  await admin.readsInRow(1, "Approvals assistant", "invoice.approve", "NF-2026-09750");
  await admin.clicks(viewer.row(1).getByRole("gridcell").first());
  await admin.readsInEvent("On behalf of", "Yuki Tanabe-Costa", "Renato Valadim");
});

question("who read this patient's record, and why?", "mosaic-health", async (admin, viewer) => {
  await admin.types("targets.id:pat_glass_24077");
  assert.equal(await viewer.total(), 8);
  assert.deepEqual((await viewer.facetValues("Action"))[0], ["patient_record.read", 6]);
  await admin.clicks(viewer.row(2).getByRole("gridcell").first());
  await admin.readsInEvent("Dr. Emi Hoshikura", "emergency, patient not responsive", "break_glass");
});

question("who cut how long records are kept, and who put it back?", "mosaic-health", async (admin, viewer) => {
  await admin.types("targets.id:records.retention");
  assert.equal(await viewer.total(), 3);
  await admin.readsInRow(1, "Sora Kazehaya", "settings.rollback");
  await admin.readsInRow(3, "Kenji Morishige", "settings.update");
  await admin.clicks(viewer.row(1).getByRole("gridcell").first());
  await admin.readsInEvent("changed on the wrong clinic, INC-124", "3650");
});
