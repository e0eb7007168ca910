/** What an event's entry commits to: its units, the entry, and the way back from units to the event. */

import { type Bytes, equal, fromHex, fromUint, fromUtf8, refuse, sha256, uint, utf8 } from "./bytes.js";
import { type Exact, canonical, isObject, parseExact } from "./json.js";

const BODY = Uint8Array.of(2);
const UNIT = Uint8Array.of(4);
const EVENT = Uint8Array.of(5);

/** A unit as `GET /v1/events/{id}/opening` gives it. */
export type OpenedUnit =
  | { name: string; value: string; salt: string }
  | { state: "erased"; digest: string; by: number; stands_in?: { name: string; value: string } };

/** `GET /v1/events/{id}/opening`. */
export interface Opening {
  position: number;
  /** Hex. */
  entry: string;
  units: OpenedUnit[];
}

/** More than any event has: an envelope, 128 units, three rests, and every target and unknown member of 256 KiB. */
const UNITS_MAX = 300_000;

/** The commitment that the units make, in their order. */
export async function commitmentOf(units: readonly OpenedUnit[]): Promise<Bytes> {
  if (units.length > UNITS_MAX) refuse("opening");
  checkOrder(units);
  const digests = await Promise.all(units.map(digestOf));
  return sha256(EVENT, uint(units.length, 4), ...digests);
}

export async function digestOf(unit: OpenedUnit): Promise<Bytes> {
  if ("digest" in unit) return fromHex(unit.digest, 32, "opening");
  if (typeof unit.name !== "string" || typeof unit.value !== "string") return refuse("opening");
  const name = utf8(unit.name);
  if (name.length > 0xffff) return refuse("opening");
  return sha256(UNIT, fromHex(unit.salt, 16, "opening"), uint(name.length, 2), name, utf8(unit.value));
}

/** The envelope first, and the others by the bytes of their names, none twice. What stands in for a target has the target's name. */
function checkOrder(units: readonly OpenedUnit[]): void {
  const names = units.flatMap((unit) => {
    if (!("digest" in unit)) return [unit.name];
    return unit.stands_in?.name.startsWith("/targets/") ? [unit.stands_in.name] : [];
  });
  if (!units[0] || "digest" in units[0] || names[0] !== "") refuse("opening");
  for (let at = 1; at < names.length; at++) {
    if (!isBefore(utf8(names[at - 1] as string), utf8(names[at] as string))) refuse("opening");
  }
}

function isBefore(one: Bytes, other: Bytes): boolean {
  for (let at = 0; at < Math.min(one.length, other.length); at++) {
    const [a, b] = [one[at] as number, other[at] as number];
    if (a !== b) return a < b;
  }
  return one.length < other.length;
}

export interface Entry {
  kind: number;
  class: number;
  receivedAtMs: bigint;
  commitment: Bytes;
  /** Of a statement of the log's own: the record, in value bytes. */
  body: string;
}

const EVENT_KIND = 1;
const KINDS_MAX = 6;
const HEAD_BYTES = 44;
const BODY_BYTES_MAX = 32_768;

/** Reads an entry; bytes of any other form are refused, and a body that is not what it commits to. */
export async function readEntry(bytes: Bytes): Promise<Entry> {
  const [version, kind] = bytes;
  if (bytes.length < HEAD_BYTES || version !== 1 || kind === undefined || kind < EVENT_KIND || kind > KINDS_MAX) return refuse("entry");
  const body = bytes.slice(HEAD_BYTES);
  const commitment = bytes.slice(12, HEAD_BYTES);
  if (kind === EVENT_KIND ? body.length > 0 : body.length === 0 || body.length > BODY_BYTES_MAX) return refuse("entry");
  if (kind !== EVENT_KIND && !equal(await sha256(BODY, body), commitment)) return refuse("entry");
  return {
    kind,
    class: Number(fromUint(bytes.slice(2, 4))),
    receivedAtMs: fromUint(bytes.slice(4, 12)),
    commitment,
    body: fromUtf8(body, "entry"),
  };
}

export function isStatement(entry: Entry): boolean {
  return entry.kind !== EVENT_KIND;
}

type Members = { [name: string]: Exact };

const ENVELOPE = new Set(["id", "occurred_at", "action", "operation", "category", "severity", "source", "trace"]);

/** The event that the units make; of what was erased, what stands in for it. */
export function rebuild(units: readonly OpenedUnit[]): Members {
  const event: Members = {};
  const shown = units.flatMap((unit) => ("digest" in unit ? (unit.stands_in ? [unit.stands_in] : []) : [unit]));
  shown.forEach((unit, at) => {
    const value = read(unit.value);
    if (at === 0) envelope(event, value);
    else place(event, unit.name, value);
  });
  return event;
}

/** A value that is written in the one way that value bytes are: what reads the same is the same. */
function read(text: string): Exact {
  let value: Exact;
  try {
    value = parseExact(text);
  } catch {
    return refuse("opening");
  }
  return canonical(value) === text ? value : refuse("opening");
}

function envelope(event: Members, value: Exact): void {
  if (!isObject(value)) refuse("opening");
  for (const [name, member] of Object.entries(value as Members)) {
    if (name === "changes" || name === "outcome") extend(inside(event, name), member);
    else if (name === "targets" && Array.isArray(member)) {
      set(event, name, member.map((type): Exact => (type === null ? {} : { type })));
    } else if (ENVELOPE.has(name)) set(event, name, member);
    else refuse("opening");
  }
}

function place(event: Members, name: string, value: Exact): void {
  const [empty, first, second, third, ...more] = name.split("/");
  if (empty !== "" || first === undefined || more.length) return refuse("opening");
  if (second === undefined) return whole(event, first, value);
  if (first === "changes") {
    if (second !== "before" && second !== "after") return refuse("opening");
    const changes = inside(event, "changes");
    if (third !== undefined) return set(inside(changes, second), plain(third), value);
    if (isObject(value) && Object.keys(value).length) return extend(inside(changes, second), value);
    return set(changes, second, value);
  }
  if (third !== undefined) return refuse("opening");
  if (first === "actor" || first === "metadata") return set(inside(event, first), plain(second), value);
  if (first === "context" && (second === "ip" || second === "user_agent")) return set(inside(event, first), second, value);
  if (first === "targets" && /^(?:0|[1-9][0-9]*)$/.test(second)) {
    const target = Array.isArray(event["targets"]) ? event["targets"][Number(second)] : undefined;
    return target === undefined ? refuse("opening") : extend(target, value);
  }
  return refuse("opening");
}

function whole(event: Members, segment: string, value: Exact): void {
  if (segment === "context" || segment === "metadata" || segment === "outcome") return extend(inside(event, segment), value);
  if (segment === "actor" || segment === "changes" || segment === "targets" || ENVELOPE.has(segment)) return refuse("opening");
  set(event, plain(segment), value);
}

/** The object that is a member, made where it is not there yet. */
function inside(object: Members, name: string): Members {
  if (!Object.hasOwn(object, name)) set(object, name, {});
  const found = object[name];
  return isObject(found) ? found : refuse("opening");
}

function extend(object: Exact, value: Exact): void {
  if (!isObject(object) || !isObject(value)) return refuse("opening");
  for (const [name, member] of Object.entries(value)) set(object, name, member);
}

/** `__proto__` is a name as any other. */
function set(object: Members, name: string, value: Exact): void {
  if (Object.hasOwn(object, name)) refuse("opening");
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

/** Undoes the escapes of a pointer's segment. */
function plain(segment: string): string {
  if (/~(?![01])/.test(segment)) refuse("opening");
  return segment.replaceAll("~1", "/").replaceAll("~0", "~");
}

/** Members that annals adds where it shows an event; no client can send them. */
const ADDED = new Set(["position", "received_at", "derived", "tenant", "ledger_seq", "kind"]);

/** The members of a shown event that were sent. */
export function sentOf(event: Members): Members {
  const sent: Members = {};
  for (const [name, value] of Object.entries(event)) if (!ADDED.has(name)) set(sent, name, value);
  return sent;
}
