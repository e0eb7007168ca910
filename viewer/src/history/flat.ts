/** A state as single fields: objects within objects taken apart, lists as values. Pure. */

import type { Json } from "../api/types.js";
import { quotedPath } from "../view/fields.js";

/** Names from the outside in; none for a state that is no object. As text it tells fields apart. */
export type FieldKey = string;

export function keyOf(names: readonly string[]): FieldKey {
  return JSON.stringify(names);
}

export function namesOf(key: FieldKey): string[] {
  return JSON.parse(key) as string[];
}

/** How people see a field's name. */
export function labelOf(key: FieldKey): string {
  return quotedPath(namesOf(key));
}

/** The fields of a state, in the order in which they stand. An empty object is a value. */
export function flatten(state: Json): Map<FieldKey, Json> {
  const fields = new Map<FieldKey, Json>();
  walk(state, [], fields);
  return fields;
}

function walk(value: Json, names: string[], fields: Map<FieldKey, Json>): void {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  const members = isObject ? Object.entries(value) : [];
  // The empty state has no field; an empty object within one is what its field is.
  if (!isObject || (members.length === 0 && names.length > 0)) fields.set(keyOf(names), value);
  for (const [name, inner] of members) walk(inner, [...names, name], fields);
}

/** Whether one field lies within the other's value, so that both cannot be there at once. */
export function overlap(one: FieldKey, other: FieldKey): boolean {
  if (one === other) return false;
  const [short, long] = one.length < other.length ? [one, other] : [other, one];
  const start = short.slice(0, -1);
  return short === "[]" || long.startsWith(`${start},`);
}

/** Whether two values are the same, in whatever order their members stand. */
export function same(one: Json, other: Json): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const [left, right] = [Object.entries(one), Object.entries(other)];
  return left.length === right.length && left.every(([name, value]) => Object.hasOwn(other, name) && same(value, (other as Record<string, Json>)[name] as Json));
}
