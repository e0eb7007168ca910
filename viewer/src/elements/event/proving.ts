/** Asks for what the three checks need, runs them, and remembers the log. */

import { ApiError } from "../../api/client.js";
import type { AuditEvent } from "../../api/types.js";
import { type Finding, type LogInfo, type Memory, type Numbers, checkInLog, checkSameLog, checkWitnesses } from "../../proof/check.js";
import type { Opening } from "../../proof/commitment.js";
import type { Stated } from "../../proof/erasure.js";
import { type Exact, canonical } from "../../proof/json.js";
import { forget, nameOf, recall, remember } from "../../proof/memory.js";
import { parseReceipt } from "../../proof/note.js";
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

/** Events whose proofs are kept, so that going back to one asks for no more than whether the log is still the same. */
const KEPT_MAX = 200;
const kept = new Map<string, Proven>();

/** Checks an event; `show` gets each line as soon as it is known. Throws the browser's `AbortError` where `signal` ended it. */
export async function prove(viewer: Viewer, event: AuditEvent, tenant: string | null, show: (part: Partly) => void, signal: AbortSignal): Promise<void> {
  const asking = new Asking(viewer, event, tenant, signal);
  const log = await asking.log();
  const name = rememberedAs(viewer, tenant);
  // Read before the checkpoint is asked for: what is signed after this can only be longer.
  const { memory, blocked } = recalled(name);
  const key = keyOf(name, event, log, memory);
  const before = kept.get(key);
  const receipt = before?.receipt ?? (await asking.receipt());

  const note = async () => (before ? asking.checkpoint(false) : parseReceipt(receipt).checkpoint);
  const inLog = before ? Promise.resolve(before.inLog) : attempt(() => asking.inLog(receipt, log));
  const sameLog = blocked
    ? Promise.resolve({ state: "unchecked", code: "storage" } as const)
    : attempt(() => checkSameLog(memory, note, log, asking.consistency));
  const witnesses = before
    ? Promise.resolve(before.witnesses)
    : attempt(async () => checkWitnesses(memory, receipt, log.witnesses?.length ? await asking.checkpoint(true) : "", log, asking.consistency));
  void inLog.then((inLog) => show({ inLog, log, receipt }), () => {});
  void sameLog.then((sameLog) => show({ sameLog }), () => {});
  void witnesses.then((witnesses) => show({ witnesses }), () => {});
  const lines = { inLog: await inLog, sameLog: await sameLog, witnesses: await witnesses };
  if (signal.aborted) return;
  const proven = { ...lines, log, receipt, memory: blocked ? null : learnt(name, log, memory, lines as Proven) } as Proven;
  show(proven);
  if (isSettled(proven)) keep(keyOf(name, event, log, proven.memory), proven);
}

/** What the checks ask the server for. */
class Asking {
  readonly #params: { tenant: string | null };
  readonly #route: string;

  constructor(private readonly viewer: Viewer, private readonly event: AuditEvent, tenant: string | null, private readonly signal: AbortSignal) {
    this.#params = { tenant };
    this.#route = `/v1/events/${encodeURIComponent(event.id)}`;
  }

  #json<T>(route: string, params: Params = {}): Promise<T> {
    return this.viewer.api.json<T>(route, { ...params, ...this.#params }, { signal: this.signal });
  }

  #text(route: string, params: Params = {}): Promise<string> {
    return this.viewer.api.text(route, { ...params, ...this.#params }, { signal: this.signal });
  }

  log = () => this.#json<LogInfo>("/v1/log");
  receipt = () => this.#text(`${this.#route}/proof`);
  checkpoint = (cosigned: boolean) => this.#text("/v1/checkpoint", cosigned ? { cosigned } : {});
  consistency = async (from: number, to: number) => (await this.#json<{ hashes: unknown }>("/v1/proofs/consistency", { from, to })).hashes;

  async inLog(receipt: string, log: LogInfo): Promise<Finding<Numbers> | NotMade> {
    let opening: Opening;
    try {
      opening = await this.#json<Opening>(`${this.#route}/opening`);
    } catch (error) {
      return notMade(error, "unopened");
    }
    return checkInLog(this.event, opening, receipt, log, this.statement);
  }

  /** An entry of the log's own; null where whoever reads may not have it. */
  statement = async (position: number, size: number): Promise<Stated | null> => {
    try {
      const { records } = await this.#json<{ records: AuditEvent[] }>("/v1/feed", { from: position, limit: 1 });
      const record = records.find((record) => record.position === position);
      if (!record) return null;
      const { entry } = await this.#json<Opening>(`/v1/events/${encodeURIComponent(record.id)}/opening`);
      const { hashes } = await this.#json<{ hashes: unknown }>("/v1/proofs/inclusion", { position, size });
      return { entry, hashes };
    } catch (error) {
      if (error instanceof ApiError) return null;
      throw error;
    }
  };
}

type Params = Record<string, string | number | boolean>;

/** A log is remembered by where it was asked for: what the server calls it is part of what is compared. */
function rememberedAs(viewer: Viewer, tenant: string | null): string {
  return nameOf(viewer.api.base, viewer.session?.tenant ?? tenant ?? "");
}

/** All that lines one and three depend on. */
function keyOf(name: string, event: AuditEvent, log: LogInfo, memory: Memory | null): string {
  const named = (log.witnesses ?? []).map(({ name, key }) => [name, key]);
  const known = [memory?.origin, memory?.publicKey, memory?.witnesses, memory?.quorum];
  return JSON.stringify([name, canonical(event as unknown as Exact), log.origin, log.public_key, log.size, named, log.quorum, known]);
}

/** Anything else may be found otherwise when it is asked again. */
function isSettled({ inLog, sameLog, witnesses }: Proven): boolean {
  const holds = inLog.state === "good" || inLog.code === "erased";
  return holds && sameLog.state === "good" && (witnesses.state === "good" || witnesses.code === "none");
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
  const { witnesses = {}, quorum } = lines.witnesses.learn ?? {};
  try {
    const seen = { origin: log.origin, publicKey: log.public_key, ...tree, since: at, at, witnesses };
    remember(name, quorum && Object.keys(witnesses).length ? { ...seen, quorum } : seen, memory);
    return recall(name);
  } catch {
    return memory;
  }
}

/** Forgets a log, and what was found by comparing with it. */
export function forgetLog(viewer: Viewer, tenant: string | null): void {
  forget(rememberedAs(viewer, tenant));
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
