/** What is different between two states: members, items of arrays, words of texts. Pure. */

import { diffArrays, diffLines, diffWordsWithSpace } from "diff";
import { type Exact, canonical, isObject } from "../../proof/json.js";

export type Difference = "same" | "added" | "removed" | "changed";

export interface Change {
  /** Of a member; the place of an item, from 0; null of the whole. */
  name: string | number | null;
  state: Difference;
  /** Left out where there was none: `null` is something. */
  before?: Exact;
  after?: Exact;
  /** Of an object or array that changed: all members or items, those that are the same too. */
  children: Change[];
  /** Items are in another order. */
  reordered: boolean;
}

/** Edits beyond which arrays are compared place by place, and how long to look for them, ms. */
const EDITS_MAX = 2_000;
const LOOK_MS = 100;
/** Texts longer than this, both together, are compared by lines; much longer ones are shown one after the other. */
const WORDS_CHARACTERS_MAX = 20_000;
const LINES_CHARACTERS_MAX = 400_000;
/** Less of two texts in common than this, and they are shown one after the other. */
const COMMON_MIN = 0.35;

/** How `after` differs from `before`; either may be undefined, which is not there. */
export function compare(before: Exact | undefined, after: Exact | undefined, name: Change["name"] = null): Change {
  const change: Change = { name, state: "same", children: [], reordered: false };
  if (before !== undefined) change.before = before;
  if (after !== undefined) change.after = after;
  if (before === undefined || after === undefined) {
    return { ...change, state: before === undefined ? (after === undefined ? "same" : "added") : "removed" };
  }
  if (canonical(before) === canonical(after)) return change;
  change.state = "changed";
  if (isObject(before) && isObject(after)) change.children = members(before, after);
  else if (Array.isArray(before) && Array.isArray(after)) [change.children, change.reordered] = items(before, after);
  return change;
}

function members(before: { [name: string]: Exact }, after: { [name: string]: Exact }): Change[] {
  const of = (object: { [name: string]: Exact }, name: string) => (Object.hasOwn(object, name) ? object[name] : undefined);
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.map((name) => compare(of(before, name), of(after, name), name));
}

function items(before: Exact[], after: Exact[]): [Change[], boolean] {
  const key = ["id", "key", "name"].find((name) => isKey(before, name) && isKey(after, name));
  return key ? byKey(before, after, key) : [byPlace(before, after), false];
}

/** Whether all items are objects that the member tells apart. */
function isKey(list: Exact[], name: string): boolean {
  const values = list.map((item) => (isObject(item) && Object.hasOwn(item, name) ? item[name] : null));
  const scalar = values.every((value) => typeof value === "string" || typeof value === "number");
  return scalar && new Set(values).size === values.length;
}

function byKey(before: Exact[], after: Exact[], key: string): [Change[], boolean] {
  const of = (item: Exact) => (item as { [name: string]: Exact })[key] as string | number;
  const places = new Map(before.map((item, at) => [of(item), at]));
  const kept = new Set(after.map(of));
  const changes: Change[] = [];
  let next = 0;
  let reordered = false;
  const removedUpTo = (end: number) => {
    for (; next < end; next++) if (!kept.has(of(before[next] as Exact))) changes.push(compare(before[next], undefined, next));
  };
  after.forEach((item, at) => {
    const place = places.get(of(item));
    if (place === undefined) return changes.push(compare(undefined, item, at));
    if (place < next) reordered = true;
    removedUpTo(place);
    next = Math.max(next, place + 1);
    return changes.push(compare(before[place], item, at));
  });
  removedUpTo(before.length);
  return [changes, reordered];
}

/** Items without a key: equal ones stay, and what stands between them was changed where it is of one form, or else went and came. */
function byPlace(before: Exact[], after: Exact[]): Change[] {
  const runs = diffArrays(before.map(canonical), after.map(canonical), { maxEditLength: EDITS_MAX, timeout: LOOK_MS });
  if (!runs) return positions(before, after, 0, 0);
  const changes: Change[] = [];
  let [from, to] = [0, 0];
  for (let at = 0; at < runs.length; at++) {
    const run = runs[at] as (typeof runs)[number];
    if (!run.added && !run.removed) {
      for (let n = 0; n < run.value.length; n++) changes.push(compare(before[from++], after[to++], to - 1));
      continue;
    }
    const next = runs[at + 1];
    const other = next && (next.added || next.removed) ? next : null;
    if (other) at++;
    const gone = (run.removed ? run : other?.removed ? other : null)?.value.length ?? 0;
    const come = (run.added ? run : other?.added ? other : null)?.value.length ?? 0;
    changes.push(...positions(before.slice(from, from + gone), after.slice(to, to + come), from, to));
    from += gone;
    to += come;
  }
  return changes;
}

function positions(before: Exact[], after: Exact[], from: number, to: number): Change[] {
  const isPair = (one: Exact | undefined, other: Exact | undefined) =>
    (isObject(one) && isObject(other)) || (Array.isArray(one) && Array.isArray(other));
  const changes: Change[] = [];
  for (let at = 0; at < Math.max(before.length, after.length); at++) {
    const [one, other] = [before[at], after[at]];
    if (isPair(one, other) || canonical(one ?? null) === canonical(other ?? null)) {
      changes.push(compare(one, other, to + at));
      continue;
    }
    if (one !== undefined) changes.push(compare(one, undefined, from + at));
    if (other !== undefined) changes.push(compare(undefined, other, to + at));
  }
  return changes;
}

export interface Part {
  state: "same" | "added" | "removed";
  text: string;
}

/** Two texts by what they share; null where that would not help to read them. */
export function textParts(before: string, after: string): Part[] | null {
  const length = before.length + after.length;
  const byWords = length <= WORDS_CHARACTERS_MAX;
  if (!byWords && (length > LINES_CHARACTERS_MAX || !before.includes("\n"))) return null;
  const options = { maxEditLength: EDITS_MAX, timeout: LOOK_MS };
  const found = byWords ? diffWordsWithSpace(before, after, options) : diffLines(before, after, options);
  if (!found) return null;
  const parts = found.map((part): Part => ({ state: part.added ? "added" : part.removed ? "removed" : "same", text: part.value }));
  const shared = parts.reduce((sum, part) => sum + (part.state === "same" ? part.text.trim().length : 0), 0);
  return shared >= COMMON_MIN * Math.min(before.length, after.length) && shared > 0 ? parts : null;
}

/** How many values below (and with) a change were added, removed and changed. */
export function tally(change: Change): Record<Difference, number> {
  const sum = { same: 0, added: 0, removed: 0, changed: 0 };
  const walk = (one: Change) => {
    if (one.children.length) one.children.forEach(walk);
    else sum[one.state] += 1;
  };
  walk(change);
  return sum;
}
