/** The three questions about an event that a browser answers by itself. Pure: what the server gave and what is remembered come in. */

import type { AuditEvent } from "../api/types.js";
import { Refused, Unable, base64, equal, fromBase64, fromHex, hex, refuse } from "./bytes.js";
import { type Entry, type Opening, commitmentOf, isStatement, readEntry, rebuild, sentOf } from "./commitment.js";
import { type Exact, canonical, isObject, parseExact } from "./json.js";
import { type Tree, checkGrowth, leafHash, rootOf } from "./merkle.js";
import { type Checkpoint, type Key, cosignedAt, openCheckpoint, parseReceipt, readKey } from "./note.js";

/**
 * What a check found. `good` only for what was really checked; `neutral` where there is nothing to compare with, `unchecked` where
 * the check could not be made. `code` names the sentence for it.
 */
export type Finding<Facts = object> = { state: "good" | "bad" | "neutral" | "unchecked"; code: string } & Partial<Facts>;

/** `GET /v1/log`. */
export interface LogInfo {
  origin: string;
  public_key: string;
  size: number;
  witnesses?: { name: string; key: string }[];
  quorum?: number;
}

/** What a browser keeps of a log between visits. */
export interface Memory {
  origin: string;
  publicKey: string;
  size: number;
  /** Base64. */
  root: string;
  /** When it was seen first, and last; RFC 3339. */
  since: string;
  at: string;
  /** Keys of witnesses by their names. */
  witnesses: Record<string, string>;
}

/** Numbers for people who want them. */
export interface Numbers {
  position: number;
  size: number;
  root: string;
  leaf: string;
  commitment: string;
  receivedAtMs: string;
  units: number;
  /** Units that were erased: only their digests could be checked. */
  erased: number;
}

/** Runs a check; what it refuses is `bad`, what this browser cannot do is `unchecked`, with what is known all the same. */
async function finding<F>(check: () => Promise<Finding<F>>, known: Partial<F> = {}): Promise<Finding<F>> {
  try {
    return await check();
  } catch (error) {
    if (error instanceof Refused) return { state: "bad", code: error.code, ...known } as Finding<F>;
    if (error instanceof Unable) return { state: "unchecked", code: error.what, ...known } as Finding<F>;
    throw error;
  }
}

/** Whether the event on screen is the one that the log holds under the signed root. `event` keeps the digits of its numbers. */
export function checkInLog(event: AuditEvent, opening: Opening, receipt: string, log: LogInfo): Promise<Finding<Numbers>> {
  return finding<Numbers>(async () => {
    const bytes = fromHex(opening.entry, null, "entry");
    const entry = await readEntry(bytes);
    if (!Array.isArray(opening.units)) refuse("opening");
    const held = isStatement(entry) ? stated(entry, opening) : await committed(entry, opening);
    if (canonical(held) !== canonical(sentOf(event as unknown as { [name: string]: Exact }))) refuse("differs");
    if (BigInt(Date.parse(event.received_at)) !== entry.receivedAtMs) refuse("received");
    const { position, path, checkpoint: note } = parseReceipt(receipt);
    if (position !== event.position || position !== opening.position) refuse("position");
    const checkpoint = await openCheckpoint(note, await logKey(log));
    const leaf = await leafHash(bytes);
    if (!equal(await rootOf(leaf, position, checkpoint.size, path), checkpoint.root)) refuse("inclusion");
    const erased = opening.units.filter((unit) => "digest" in unit).length;
    return {
      state: "good", code: erased ? "good_erased" : "good",
      position, size: checkpoint.size, root: base64(checkpoint.root), leaf: hex(leaf), commitment: hex(entry.commitment),
      receivedAtMs: String(entry.receivedAtMs), units: opening.units.length, erased,
    };
  });
}

async function committed(entry: Entry, opening: Opening): Promise<Exact> {
  if (!equal(await commitmentOf(opening.units), entry.commitment)) refuse("commitment");
  return rebuild(opening.units);
}

/** A statement stands in its entry in clear. */
function stated(entry: Entry, opening: Opening): Exact {
  if (opening.units.length) refuse("opening");
  let record: Exact;
  try {
    record = parseExact(entry.body);
  } catch {
    return refuse("entry");
  }
  return isObject(record) && canonical(record) === entry.body ? record : refuse("entry");
}

/** The key of the log, which is named by its origin. */
async function logKey(log: LogInfo) {
  const key = await readKey(log.public_key, "log");
  return key.name === log.origin ? key : refuse("key");
}

/** The checkpoint that a receipt holds, signed by the log's key. */
export async function checkpointOf(receipt: string, log: LogInfo): Promise<Checkpoint> {
  return openCheckpoint(parseReceipt(receipt).checkpoint, await logKey(log));
}

/** Gives the hashes that prove the one size to begin the other. */
export type Consistency = (from: number, to: number) => Promise<unknown>;

/** Whether the log is the one that this browser saw before. `memory` was read before the checkpoint was asked for. */
export function checkSameLog(memory: Memory | null, receipt: string, log: LogInfo, consistency: Consistency): Promise<Finding<Seen>> {
  const known = memory ? { since: memory.since, at: memory.at, size: memory.size } : {};
  return finding<Seen>(async () => {
    // Another key is said even where what it signed is well signed.
    if (memory && memory.publicKey !== log.public_key) return { state: "bad", code: "key_changed", ...known };
    const now = await checkpointOf(receipt, log);
    const seen = { tree: { size: now.size, root: base64(now.root) } };
    if (!memory) return { state: "neutral", code: "first", ...seen };
    if (now.size < memory.size) return { state: "bad", code: "shorter", ...known };
    await grows({ size: memory.size, root: fromBase64(memory.root, 32, "memory") }, now, consistency);
    return { state: "good", code: "good", ...known, ...seen };
  }, known);
}

interface Seen {
  /** When this browser saw it first and last, and how long it was then. */
  since: string;
  at: string;
  size: number;
  /** What to remember from now on. */
  tree: { size: number; root: string };
}

async function grows(from: Tree, to: Tree, consistency: Consistency): Promise<void> {
  const hashes = from.size === to.size || from.size === 0 ? [] : await consistency(from.size, to.size);
  if (!Array.isArray(hashes)) return refuse("consistency");
  await checkGrowth(from, to, hashes.map((hash) => fromHex(hash, 32, "consistency")));
}

interface Witnessed {
  seen: number;
  of: number;
  quorum: number;
  /** Newest time of a cosignature, RFC 3339. */
  at: string;
  /** Size of the log that they saw. */
  size: number;
  /** Names of witnesses whose key is another, or that are not named any more. */
  names: string;
  /** Keys to remember. */
  keys: Record<string, string>;
}

/** How many witnesses saw the log with the event in it, and that it is the log that this browser is shown. */
export function checkWitnesses(
  memory: Memory | null, receipt: string, cosigned: string, log: LogInfo, consistency: Consistency,
): Promise<Finding<Witnessed>> {
  return finding<Witnessed>(async () => {
    const named = log.witnesses ?? [];
    const known = new Map(Object.entries(memory?.witnesses ?? {}));
    const changed = named.filter(({ name, key }) => known.has(name) && known.get(name) !== key);
    if (changed.length) return { state: "bad", code: "witness_changed", names: namesOf(changed) };
    const gone = [...known.keys()].filter((name) => !named.some((witness) => witness.name === name));
    if (!named.length) return gone.length ? { state: "unchecked", code: "witnesses_gone", names: gone.join(", ") } : { state: "neutral", code: "none" };
    const now = await checkpointOf(receipt, log);
    const theirs = await openCheckpoint(cosigned, await logKey(log));
    const keys = await Promise.all(named.map(witnessKey));
    const times = await Promise.all(distinct(keys).map((key) => cosignedAt(theirs, key)));
    const [older, newer] = theirs.size < now.size ? [theirs, now] : [now, theirs];
    await grows(older, newer, consistency);
    const made = times.filter((time): time is number => time !== null);
    const quorum = Math.max(1, Number(log.quorum) || named.length);
    const facts = {
      seen: made.length, of: times.length, quorum, size: theirs.size, names: gone.join(", "),
      keys: Object.fromEntries(named.map(({ name, key }) => [name, key])), ...newest(made),
    };
    if (!made.length) return { state: "neutral", code: "unseen", ...facts };
    if (theirs.size <= parseReceipt(receipt).position) return { state: "neutral", code: "later", ...facts };
    return made.length >= quorum ? { state: "good", code: "good", ...facts } : { state: "neutral", code: "few", ...facts };
  });
}

function namesOf(witnesses: readonly { name: string }[]): string {
  return witnesses.map(({ name }) => name).join(", ");
}

async function witnessKey({ name, key }: { name: string; key: string }): Promise<Key> {
  const read = await readKey(key, "witness");
  return read.name === name ? read : refuse("key");
}

/** Each key once: a witness that is named twice has seen once. */
function distinct(keys: readonly Key[]): Key[] {
  return [...new Map(keys.map((key) => [hex(key.public), key])).values()];
}

function newest(times: readonly number[]): { at?: string } {
  const last = Math.max(0, ...times);
  // Zero is a witness without a clock.
  return last > 0 && last < 8.64e12 ? { at: new Date(last * 1000).toISOString() } : {};
}
