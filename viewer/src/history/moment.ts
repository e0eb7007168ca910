/** How a target looked at a moment: what is known of each field, and how. Pure. */

import type { Json } from "../api/types.js";
import { type History, type Known, type Life, type Span, equal } from "./fold.js";
import type { FieldKey } from "./flat.js";
import type { Moment } from "./step.js";

export type FieldState = {
  key: FieldKey;
  span: Span;
} & (
  /** Known: from the event that set it, or that found it so. */
  | { is: "value"; value: Json }
  | { is: "absent" }
  /** A later change found this value; since when is not known. */
  | { is: "until"; value: Json }
  /** Left as one thing and found as another: a change between is not in the log. */
  | { is: "conflict"; value: Known; later: Known }
  | { is: "unknown" }
);

export type Look =
  /** Nothing is known of so early a time. */
  | { is: "before"; first: Moment | null; fields: FieldState[] }
  | { is: "not_created"; created: Moment }
  | { is: "deleted"; deleted: Moment; life: Life }
  | {
      is: "there";
      life: Life;
      fields: FieldState[];
      /** All fields are known since this event; null: there may be others. */
      whole: Moment | null;
      /** Changes since then, or since anything is known, that do not say what they changed. */
      silent: number;
    };

/** How it looked right after everything that occurred at this instant or before; the newest look for null. */
export function lookAt(history: History, at: string | null): Look {
  const lives = history.lives;
  const within = at === null ? lives.at(-1) : lives.findLast((life) => life.first.at <= at);
  if (!within) return early(lives[0]);
  if (within.deleted && (at === null || within.deleted.at <= at)) {
    return { is: "deleted", deleted: within.deleted, life: within };
  }
  const upTo = (moment: Moment) => at === null || moment.at <= at;
  const last = within.wholes.findLast(({ moment }) => upTo(moment));
  const whole = last?.whole ? last.moment : null;
  const silent = within.silent.filter((moment) => upTo(moment) && (!whole || moment.at >= whole.at)).length;
  return { is: "there", life: within, fields: fieldsAt(within, at), whole, silent };
}

function early(life: Life | undefined): Look {
  if (!life) return { is: "before", first: null, fields: [] };
  if (life.created === life.first) return { is: "not_created", created: life.first };
  return { is: "before", first: life.first, fields: fieldsAt(life, "") };
}

function fieldsAt(life: Life, at: string | null): FieldState[] {
  const fields: FieldState[] = [];
  for (const [key, spans] of life.fields) {
    const span = spans.findLast(({ from }) => from === null || at === null || from.at <= at) ?? (spans[0] as Span);
    fields.push({ key, span, ...known(span, at) } as FieldState);
  }
  return fields;
}

/** What is known within a span. */
function known(span: Span, at: string | null): { is: FieldState["is"]; value?: Known | Json; later?: Known } {
  // Nothing is known of it before its first span.
  if (span.from !== null && at !== null && span.from.at > at) return { is: "unknown" };
  const { start } = span;
  if (start === null) {
    if (span.to === null || span.end === null) return { is: "unknown" };
    return span.end === "absent" ? { is: "absent" } : { is: "until", value: span.end.value };
  }
  if (span.to !== null && span.end !== null && !equal(start, span.end)) return { is: "conflict", value: start, later: span.end };
  return start === "absent" ? { is: "absent" } : { is: "value", value: start.value };
}
