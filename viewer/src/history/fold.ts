/**
 * A target's fields over time, folded from the events that say what they changed. Pure.
 *
 * Nothing is guessed. A field has *spans*: within one no event changed it. What a span's beginning says and what its end says are kept
 * apart, so that a value known only from the `before` of a later change is told as such, and two that differ show that a change is missing.
 */

import { type AuditEvent, type Json, occurredAt } from "../api/types.js";
import type { Subject } from "../view/view.js";
import { type FieldKey, overlap, same } from "./flat.js";
import { type Moment, type Step, stepOf } from "./step.js";

/** What is known of a field: its value, that it is not there, or nothing. */
export type Known = { value: Json } | "absent" | null;

export interface Span {
  /** From this event on; null: since before anything is known. */
  from: Moment | null;
  /** The field as `from` left it. */
  start: Known;
  /** Whether `from` made it so, rather than finding it so. */
  set: boolean;
  /** Until this event; null: until now. */
  to: Moment | null;
  /** The field as `to` found it. */
  end: Known;
}

/** From its beginning to its end; what comes back after its end lives another time. */
export interface Life {
  created: Moment | null;
  deleted: Moment | null;
  /** The first event that speaks of its state. */
  first: Moment;
  fields: Map<FieldKey, Span[]>;
  /** After these events all fields are known, and those not named are not there; null: from here on they are not. */
  wholes: { moment: Moment; whole: boolean }[];
  /** Changes that do not say what they changed. */
  silent: Moment[];
}

export interface History {
  lives: Life[];
  /** Instants at which something changed, oldest first, each once. */
  points: string[];
  /** Fields were left out, as there are too many. */
  cut: boolean;
}

/** Fields of one target that are told of. */
export const FIELDS_MAX = 2_000;

/**
 * The history that these events of one target tell, in whatever order they are given. Where something of them is `hidden`, none is
 * taken to tell a whole state.
 */
export function fold(events: readonly AuditEvent[], subject: Subject, { fieldsMax = FIELDS_MAX, hidden = false } = {}): History {
  const steps = ordered(events).map((event) => stepOf(event, subject));
  if (hidden) for (const step of steps) step.whole = false;
  const history: History = { lives: [], points: [], cut: false };
  for (const step of steps) {
    const speaks = step.before || step.after || step.creates || step.deletes;
    let life = history.lives.at(-1);
    if (!speaks) {
      if (step.silent && life && !life.deleted) life.silent.push(step.moment);
      continue;
    }
    if (history.points.at(-1) !== step.moment.at) history.points.push(step.moment.at);
    if (!life || (life.deleted && !step.deletes) || (step.creates && life.created)) {
      life = { created: null, deleted: null, first: step.moment, fields: new Map(), wholes: [], silent: [] };
      history.lives.push(life);
    }
    if (apply(life, step, fieldsMax)) history.cut = true;
  }
  return history;
}

function ordered(events: readonly AuditEvent[]): AuditEvent[] {
  const keyed = events.map((event) => ({ event, at: occurredAt(event) }));
  keyed.sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : one.event.position - other.event.position));
  return keyed.map(({ event }) => event);
}

/** True where there was no room for a field. */
function apply(life: Life, step: Step, fieldsMax: number): boolean {
  const { moment } = step;
  // Where it was spoken of before, when it was created is not as the log says, and says nothing of before.
  if (step.creates && life.first === moment) life.created = moment;
  let cut = false;
  for (const key of keysOf(life, step)) {
    if (!life.fields.has(key) && life.fields.size >= fieldsMax) {
      cut = true;
      continue;
    }
    advance(life, key, step, knownBefore(life, step, key), knownAfter(step, key));
  }
  if (step.deletes) life.deleted ??= moment;
  else if (step.whole) life.wholes.push({ moment, whole: step.after !== null });
  return cut;
}

/** The fields that a step says something of. */
function keysOf(life: Life, step: Step): Iterable<FieldKey> {
  const keys = new Set<FieldKey>([...(step.before?.keys() ?? []), ...(step.after?.keys() ?? [])]);
  const told = [...keys];
  for (const key of life.fields.keys()) {
    if (step.whole || step.deletes || told.some((one) => overlap(one, key))) keys.add(key);
  }
  return keys;
}

function knownBefore(life: Life, step: Step, key: FieldKey): Known | undefined {
  if (life.created === step.moment) return "absent";
  return told(step.before, step, key);
}

function knownAfter(step: Step, key: FieldKey): Known | undefined {
  if (step.deletes) return "absent";
  if (step.after) return told(step.after, step, key);
  // It says what was, and not what is.
  return null;
}

/** Undefined: nothing is said, so nothing is new. */
function told(state: Map<FieldKey, Json> | null, step: Step, key: FieldKey): Known | undefined {
  if (!state) return undefined;
  const value = state.get(key);
  if (value !== undefined) return { value };
  if (step.whole || step.before?.has(key) || step.after?.has(key)) return "absent";
  // A value in the place of an object, or within one, takes the room of what was there.
  return [...state.keys()].some((one) => overlap(one, key)) ? "absent" : undefined;
}

function advance(life: Life, key: FieldKey, { moment, whole }: Step, before: Known | undefined, after: Known | undefined): void {
  const spans = life.fields.get(key) ?? [unseen(life, moment)];
  life.fields.set(key, spans);
  const last = spans.at(-1) as Span;
  const found = before ?? null;
  const open = found ?? last.start;
  const kept = after === undefined ? open : after;
  // Found and left as it was known to be: nothing happened to this field.
  if (last.start !== null && equal(last.start, kept) && (found === null || equal(found, kept))) return;
  last.to = moment;
  last.end = found;
  // A whole state names what it did not change too: then who set it is only known where it differs from what was known.
  const set = kept !== null && (found === null ? !whole || last.start !== null : !equal(found, kept));
  spans.push({ from: moment, start: kept, set, to: null, end: null });
}

/** A field before the first event that names it: not there, where a whole state did not name it; otherwise unknown. */
function unseen(life: Life, moment: Moment): Span {
  const whole = life.wholes.at(-1);
  if (whole?.whole) return { from: whole.moment, start: "absent", set: false, to: null, end: null };
  const from = life.created && life.created !== moment ? life.created : null;
  return { from, start: null, set: false, to: null, end: null };
}

export function equal(one: Known, other: Known): boolean {
  if (one === null || other === null || one === "absent" || other === "absent") return one === other;
  return same(one.value, other.value);
}
