/** Asks for what the three checks need, runs them, and remembers the log. */

import { ApiError } from "../../api/client.js";
import type { AuditEvent } from "../../api/types.js";
import { type Finding, type LogInfo, type Memory, type Numbers, checkInLog, checkSameLog, checkWitnesses } from "../../proof/check.js";
import type { Opening } from "../../proof/commitment.js";
import { forget, nameOf, recall, remember } from "../../proof/memory.js";
import type { Viewer } from "../../viewer.js";

export interface Proven {
  inLog: Finding<Numbers>;
  sameLog: Awaited<ReturnType<typeof checkSameLog>>;
  witnesses: Awaited<ReturnType<typeof checkWitnesses>>;
  log: LogInfo;
  receipt: string;
  /** What is remembered of the log by now. */
  memory: Memory | null;
}

/** Why a check could not be made at all. */
export interface NotMade {
  state: "unchecked";
  code: string;
  detail?: string;
}

export type Partly = { [Line in keyof Proven]?: Proven[Line] | NotMade };

/** Events whose proofs are kept, so that going back to one asks nothing. */
const KEPT_MAX = 200;
const kept = new Map<string, Proven>();

/** Checks an event; `show` gets each line as soon as it is known. Throws the browser's `AbortError` where `signal` ended it. */
export async function prove(viewer: Viewer, event: AuditEvent, tenant: string | null, show: (part: Partly) => void, signal: AbortSignal): Promise<void> {
  const { api } = viewer;
  const params = { tenant };
  const route = `/v1/events/${encodeURIComponent(event.id)}`;
  const log = await api.json<LogInfo>("/v1/log", params, { signal });
  const name = nameOf(api.base, log.origin);
  const key = [name, event.id, log.size].join("\0");
  const before = kept.get(key);
  if (before) return show({ ...before, memory: recalled(name).memory });

  // Read before the checkpoint is asked for: what is signed after this can only be longer.
  const { memory, blocked } = recalled(name);
  const opening = api.json<Opening>(`${route}/opening`, params, { signal }).catch((error: unknown) => notMade(error, "unopened"));
  opening.catch(() => {});
  const receipt = await api.text(`${route}/proof`, params, { signal });
  const consistency = async (from: number, to: number) =>
    (await api.json<{ hashes: unknown }>("/v1/proofs/consistency", { from, to, ...params }, { signal })).hashes;

  const inLog = attempt(async () => {
    const given = await opening;
    return "state" in given ? (given as never) : checkInLog(event, given, receipt, log);
  });
  const sameLog = blocked ? Promise.resolve({ state: "unchecked", code: "storage" } as const) : attempt(() => checkSameLog(memory, receipt, log, consistency));
  const witnesses = attempt(async () => {
    const cosigned = log.witnesses?.length ? await api.text("/v1/checkpoint", { cosigned: true, ...params }, { signal }) : "";
    return checkWitnesses(memory, receipt, cosigned, log, consistency);
  });
  void inLog.then((inLog) => show({ inLog, log, receipt }), () => {});
  void sameLog.then((sameLog) => show({ sameLog }), () => {});
  void witnesses.then((witnesses) => show({ witnesses }), () => {});
  const lines = { inLog: await inLog, sameLog: await sameLog, witnesses: await witnesses };
  if (signal.aborted) return;
  const now = blocked ? null : learnt(name, log, memory, lines as Proven);
  const proven = { ...lines, log, receipt, memory: now } as Proven;
  show(proven);
  // Anything else may be found otherwise when it is asked again.
  const settled = lines.inLog.state === "good" && lines.sameLog.state === "good";
  if (settled && (lines.witnesses.state === "good" || lines.witnesses.code === "none")) keep(key, proven);
}

function keep(key: string, proven: Proven): void {
  kept.set(key, proven);
  if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value as string);
}

/** What is remembered; some browsers keep nothing for some pages. */
function recalled(name: string): { memory: Memory | null; blocked: boolean } {
  try {
    return { memory: recall(name), blocked: false };
  } catch {
    return { memory: null, blocked: true };
  }
}

/** Remembers what was checked just now; a log that is not the one of before teaches nothing. */
function learnt(name: string, log: LogInfo, memory: Memory | null, lines: Proven): Memory | null {
  const { tree } = lines.sameLog;
  if (!tree) return memory;
  const at = new Date().toISOString();
  const isKnown = lines.witnesses.state !== "bad" && lines.witnesses.state !== "unchecked";
  const witnesses = isKnown ? (lines.witnesses.keys ?? {}) : {};
  try {
    remember(name, { origin: log.origin, publicKey: log.public_key, ...tree, since: at, at, witnesses });
    return recall(name);
  } catch {
    return memory;
  }
}

/** Forgets a log, and what was found by comparing with it. */
export function forgetLog(viewer: Viewer, log: LogInfo): void {
  forget(nameOf(viewer.api.base, log.origin));
  kept.clear();
}

async function attempt<F>(check: () => Promise<F>): Promise<F | NotMade> {
  try {
    return await check();
  } catch (error) {
    return notMade(error, "failed");
  }
}

/** What a refusal of the server says about a check: nothing but that it was not made. */
export function notMade(error: unknown, missing: string): NotMade {
  if (!(error instanceof ApiError)) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    return { state: "unchecked", code: "failed", detail: String(error) };
  }
  if (error.status === 0) return { state: "unchecked", code: "unreachable" };
  if (error.status === 401 || error.status === 403) return { state: "unchecked", code: "forbidden" };
  if (error.code === "route_unknown" || error.status === 405) return { state: "unchecked", code: missing };
  return { state: "unchecked", code: "failed", detail: error.message };
}
