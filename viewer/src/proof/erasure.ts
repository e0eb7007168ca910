/** Parts of an event that were erased: which they were, and whether the log itself says so. */

import { equal, fromHex, refuse } from "./bytes.js";
import { type OpenedUnit, readEntry } from "./commitment.js";
import { type Exact, canonical, isObject, parseExact } from "./json.js";
import { type Tree, leafHash, rootOf } from "./merkle.js";

type ErasedUnit = Extract<OpenedUnit, { digest: string }>;

/** Parts whose values nobody can check any more. */
export type Gone =
  /** Where something else reads in the place of one. */
  | { name: string; reads: string }
  /** Parts that left no name: their neighbours are the envelope where `after` is empty, and the end where `before` is. */
  | { count: number; after: string; before: string };

/** What can be said of the erased parts, in their order. */
export function goneOf(units: readonly OpenedUnit[]): Gone[] {
  const gone: Gone[] = [];
  let after = "";
  let nameless: { count: number; after: string; before: string } | null = null;
  for (const unit of units) {
    if (!("digest" in unit)) {
      if (nameless) nameless.before = unit.name;
      [nameless, after] = [null, unit.name];
    } else if (unit.stands_in) gone.push({ name: unit.stands_in.name, reads: unit.stands_in.value });
    else if (nameless) nameless.count++;
    else gone.push((nameless = { count: 1, after, before: "" }));
  }
  return gone;
}

/** An entry of the log, and how to come from it to the root of a size. */
export interface Stated {
  /** Hex. */
  entry: string;
  hashes: unknown;
}

/** Gives the entry at a position; null where whoever reads cannot have it. */
export type Statements = (position: number, size: number) => Promise<Stated | null>;

/** Entries that erased parts of one event and are looked at. */
const STATEMENTS_MAX = 32;

/**
 * Whether entries of the log state each erasure of the event at `position`; false where some of them could not be had. Refuses where an
 * entry says something else, where one is not among those that the event lists, and what cannot stand in for anything.
 */
export async function checkErasures(
  position: number, units: readonly OpenedUnit[], listed: unknown, log: Tree, statements: Statements,
): Promise<boolean> {
  const erasedBy = new Map<number, [index: number, unit: ErasedUnit][]>();
  for (const [index, unit] of units.entries()) {
    if (!("digest" in unit)) continue;
    if (!Number.isSafeInteger(unit.by) || unit.by <= position || !Array.isArray(listed) || !listed.includes(unit.by)) refuse("unlisted");
    if (unit.stands_in && pseudonym(unit.stands_in) === null) refuse("stand_in");
    erasedBy.set(unit.by, [...(erasedBy.get(unit.by) ?? []), [index, unit]]);
  }
  if (erasedBy.size > STATEMENTS_MAX) return false;
  let all = true;
  for (const [by, erased] of erasedBy) {
    const given = by < log.size ? await statements(by, log.size) : null;
    if (given) await checkStated(position, erased, by, given, log);
    else all = false;
  }
  return all;
}

/** What stands in: for an actor its id, for a target an object with nothing but its id. */
function pseudonym({ name, value }: { name: string; value: string }): string | null {
  const read = parsed(value);
  if (name === "/actor/id") return typeof read === "string" ? read : null;
  if (!/^\/targets\/(?:0|[1-9][0-9]*)$/.test(name) || !isObject(read) || Object.keys(read).length !== 1) return null;
  return typeof read["id"] === "string" ? read["id"] : null;
}

async function checkStated(position: number, erased: readonly [number, ErasedUnit][], by: number, given: Stated, log: Tree): Promise<void> {
  const bytes = fromHex(given.entry, null, "erasure");
  if (!Array.isArray(given.hashes)) return refuse("erasure");
  const path = given.hashes.map((hash) => fromHex(hash, 32, "erasure"));
  if (!equal(await rootOf(await leafHash(bytes), by, log.size, path), log.root)) refuse("erasure");
  const entry = await readEntry(bytes);
  const groups = entry.kind === ERASURE_KIND ? groupsOf(entry.body, position) : [];
  for (const [index, { stands_in }] of erased) {
    const group = groups.find(({ units }) => units.has(index));
    if (!group || (stands_in && pseudonym(stands_in) !== group.as)) refuse("erasure");
  }
}

const ERASURE_KIND = 2;

/** Which units of the event at `position` an erasure takes that as many approved as must. */
function groupsOf(body: string, position: number): { units: Set<Exact>; as: Exact }[] {
  const { metadata } = parsed(body) as { metadata?: { [name: string]: Exact } };
  const { approvals, approvals_required: required, erased } = metadata ?? {};
  if (typeof approvals !== "number" || typeof required !== "number" || approvals < required || !Array.isArray(erased)) return refuse("erasure");
  return erased.flatMap((group) => {
    if (!isObject(group) || !Array.isArray(group["runs"]) || !Array.isArray(group["units"])) return refuse("erasure");
    const isIn = group["runs"].some((run) => Array.isArray(run) && Number(run[0]) <= position && position <= Number(run[1]));
    return isIn ? [{ units: new Set<Exact>(group["units"]), as: group["as"] ?? "erased" }] : [];
  });
}

function parsed(text: string): Exact {
  try {
    const value = parseExact(text);
    return canonical(value) === text ? value : refuse("erasure");
  } catch {
    return refuse("erasure");
  }
}
