/** The three questions about an event that a browser answers by itself. Pure: what the server gave and what is remembered come in. */

import type { AuditEvent } from "../api/types.js";
import { Refused, Unable, base64, equal, fromBase64, fromHex, hex, refuse } from "./bytes.js";
import { type Entry, type Opening, commitmentOf, isStatement, readEntry, rebuild, sentOf } from "./commitment.js";
import { type Gone, type Statements, checkErasures, goneOf } from "./erasure.js";
import { type Exact, canonical, isObject, parseExact } from "./json.js";
import { type Tree, checkGrowth, leafHash, rootOf } from "./merkle.js";
import { type Checkpoint, type Key, cosignedAt, openCheckpoint, parseReceipt, readKey } from "./note.js";

/**
 * What a check found. `good` only for what was really checked; `partly` where some of it cannot be checked any more; `neutral` where there
 * is nothing to compare with, `unchecked` where the check could not be made. `code` names the sentence for it.
 */
export type Finding<Facts = object> = { state: "good" | "partly" | "bad" | "neutral" | "unchecked"; code: string } & Partial<Facts>;

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
  /** How many of them were enough; none where there were no witnesses. */
  quorum?: number;
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
  gone: Gone[];
  /** Positions of the entries that erased them. */
  erasedBy: number[];
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

/**
 * Whether the event on screen is the one that the log holds under the signed root: what was sent, and when it was received, to the
 * millisecond. `event` keeps the digits of its numbers.
 */
export function checkInLog(
  event: AuditEvent, opening: Opening, receipt: string, log: LogInfo, statements: Statements = async () => null,
): Promise<Finding<Numbers>> {
  return finding<Numbers>(async () => {
    const bytes = fromHex(opening.entry, null, "entry");
    const entry = await readEntry(bytes);
    if (!Array.isArray(opening.units)) refuse("opening");
    const held = isStatement(entry) ? stated(entry, opening) : await committed(entry, opening);
    if (canonical(held) !== canonical(sentOf(event as unknown as { [name: string]: Exact }))) refuse("differs");
    checkTimes(event, entry);
    const { position, path, checkpoint: note } = parseReceipt(receipt);
    if (position !== event.position || position !== opening.position) refuse("position");
    const checkpoint = await openCheckpoint(note, await logKey(log));
    const leaf = await leafHash(bytes);
    if (!equal(await rootOf(leaf, position, checkpoint.size, path), checkpoint.root)) refuse("inclusion");
    const erased = opening.units.flatMap((unit) => ("digest" in unit ? [unit.by] : []));
    const isStated = await checkErasures(position, opening.units, event.derived?.erased, checkpoint, statements);
    return {
      ...(erased.length ? { state: "partly", code: isStated ? "erased" : "erased_unstated" } : { state: "good", code: "good" }),
      position, size: checkpoint.size, root: base64(checkpoint.root), leaf: hex(leaf), commitment: hex(entry.commitment),
      receivedAtMs: String(entry.receivedAtMs), units: opening.units.length, erased: erased.length,
      gone: goneOf(opening.units), erasedBy: [...new Set(erased)],
    };
  });
}

/** An event that names no time of its own is shown with the time that it was received. */
function checkTimes(event: AuditEvent, entry: Entry): void {
  if (millisecondsOf(event.received_at) !== entry.receivedAtMs) refuse("received");
  const derived = event.derived?.occurred_at;
  if (event.occurred_at === undefined && derived !== undefined && millisecondsOf(derived) !== entry.receivedAtMs) refuse("occurred");
}

/** Since 1970, cut off, of a time as annals writes it. */
function millisecondsOf(time: unknown): bigint | null {
  const found = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(String(time));
  const seconds = found ? Date.parse(`${found[1]}Z`) : NaN;
  return Number.isNaN(seconds) ? null : BigInt(seconds) + BigInt((found?.[2] ?? "").padEnd(3, "0").slice(0, 3));
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

/** Gives the hashes that prove the one size to begin the other. */
export type Consistency = (from: number, to: number) => Promise<unknown>;

/**
 * Whether the log is the one that this browser saw before, of the same server and tenant. `memory` was read before the checkpoint, which
 * `note` gives, was asked for.
 */
export function checkSameLog(memory: Memory | null, note: () => Promise<string>, log: LogInfo, consistency: Consistency): Promise<Finding<Seen>> {
  const known = memory ? { since: memory.since, at: memory.at, size: memory.size, origin: memory.origin } : {};
  return finding<Seen>(async () => {
    // Another name or key is said even where what it signed is well signed.
    if (memory && memory.origin !== log.origin) return { state: "bad", code: "origin_changed", ...known };
    if (memory && memory.publicKey !== log.public_key) return { state: "bad", code: "key_changed", ...known };
    const now = await openCheckpoint(await note(), await logKey(log));
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
  /** What the log was named then. */
  origin: string;
  /** What to remember from now on. */
  tree: { size: number; root: string };
}

async function grows(from: Tree, to: Tree, consistency: Consistency): Promise<void> {
  const hashes = from.size === to.size || from.size === 0 ? [] : await consistency(from.size, to.size);
  if (!Array.isArray(hashes)) return refuse("consistency");
  await checkGrowth(from, to, hashes.map((hash) => fromHex(hash, 32, "consistency")));
}

interface Witnessed {
  /** How many cosigned: of those that were known before, or at first sight of all. */
  seen: number;
  of: number;
  quorum: number;
  /** What the quorum was. */
  before: number;
  /** Newest time of a cosignature, RFC 3339. */
  at: string;
  /** Size of the log that they saw. */
  size: number;
  /** Names of witnesses whose key is another, or that are not named any more. */
  names: string;
  /** Names of those that were never named before: whoever serves the log can name anybody. */
  fresh: string;
  /** What to remember. */
  learn: { witnesses: Record<string, string>; quorum: number };
}

/**
 * How many witnesses saw the log with the event in it, and that it is the log that this browser is shown. Names, keys and quorum are the
 * server's word: only witnesses that were remembered before count, and what was remembered must still stand.
 */
export function checkWitnesses(
  memory: Memory | null, receipt: string, cosigned: string, log: LogInfo, consistency: Consistency,
): Promise<Finding<Witnessed>> {
  return finding<Witnessed>(async () => {
    const named = log.witnesses ?? [];
    const quorum = quorumOf(log);
    const known = new Map(Object.entries(memory?.witnesses ?? {}));
    const broken = promiseBroken(known, memory?.quorum ?? 1, named, quorum);
    if (broken) return broken;
    if (!named.length) return { state: "neutral", code: "none" };
    const now = await openCheckpoint(parseReceipt(receipt).checkpoint, await logKey(log));
    const theirs = await openCheckpoint(cosigned, await logKey(log));
    const keys = await Promise.all(named.map(witnessKey));
    const [older, newer] = theirs.size < now.size ? [theirs, now] : [now, theirs];
    await grows(older, newer, consistency);
    const all = await timesOf(theirs, keys);
    const counted = await timesOf(theirs, keys.filter(({ name }) => known.has(name)));
    const isGood = counted.length >= quorum && theirs.size > parseReceipt(receipt).position;
    const made = isGood || known.size ? counted : all;
    const facts = {
      seen: made.length, of: distinct(keys).length, quorum, size: theirs.size, ...newest(made),
      fresh: namesOf(named.filter(({ name }) => !known.has(name))),
      // Those that are named later are taken on only when enough of those known before vouch for the log.
      ...(isGood || !known.size ? { learn: { witnesses: Object.fromEntries(named.map(({ name, key }) => [name, key])), quorum } } : {}),
    };
    if (isGood) return { state: "good", code: "good", ...facts };
    if (!all.length) return { state: "neutral", code: "unseen", ...facts };
    if (theirs.size <= parseReceipt(receipt).position) return { state: "neutral", code: "later", ...facts };
    return { state: "neutral", code: all.length >= quorum ? "first" : "few", ...facts };
  });
}

/** Whether less is named than was before. */
function promiseBroken(
  known: ReadonlyMap<string, string>, before: number, named: readonly { name: string; key: string }[], quorum: number,
): Finding<Witnessed> | null {
  const changed = named.filter(({ name, key }) => known.has(name) && known.get(name) !== key);
  if (changed.length) return { state: "bad", code: "witness_changed", names: namesOf(changed) };
  const gone = [...known.keys()].filter((name) => !named.some((witness) => witness.name === name));
  if (gone.length) return { state: "bad", code: "witnesses_gone", names: gone.join(", ") };
  return known.size && quorum < before ? { state: "bad", code: "quorum_lower", quorum, before } : null;
}

/** All of them where the server says none that can be one. */
function quorumOf({ quorum, witnesses }: LogInfo): number {
  return Number.isSafeInteger(quorum) && (quorum as number) > 0 ? (quorum as number) : Math.max(1, witnesses?.length ?? 0);
}

async function timesOf(checkpoint: Checkpoint, keys: readonly Key[]): Promise<number[]> {
  const times = await Promise.all(distinct(keys).map((key) => cosignedAt(checkpoint, key)));
  return times.filter((time): time is number => time !== null);
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
