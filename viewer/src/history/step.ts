/** What one event says about the state of one target. Pure. */

import { type Actor, type AuditEvent, type Json, occurredAt, operationOf } from "../api/types.js";
import type { Subject } from "../view/view.js";
import { type FieldKey, flatten } from "./flat.js";

/** An event, as far as a history needs it. */
export interface Moment {
  /** RFC 3339 in UTC with six digits: instants compare as texts. */
  at: string;
  event: string;
  action: string;
  by: Actor;
  /** The event has other targets too, and does not say whose values these are. */
  shared: number;
}

export interface Step {
  moment: Moment;
  /** State before, where told; a field that is missing was not there, if `whole` or if the other side has it. */
  before: Map<FieldKey, Json> | null;
  after: Map<FieldKey, Json> | null;
  /** They are whole states. */
  whole: boolean;
  creates: boolean;
  deletes: boolean;
  /** It changed something and does not say what. */
  silent: boolean;
}

export function stepOf(event: AuditEvent, subject: Subject): Step {
  const targets = event.targets ?? [];
  const operation = operationOf(event);
  // What did not succeed changed nothing.
  const happened = !["failure", "denied"].includes(event.outcome?.result ?? "");
  const erased = event.derived?.erased?.length ?? 0;
  const told = (state: Json | undefined) => (happened && state !== undefined && state !== null ? flatten(state) : null);
  let [before, after] = [told(event.changes?.before), told(event.changes?.after)];
  // A snapshot changes nothing: what is so after it was so before it.
  if (operation === "snapshot") [before, after] = [before ?? after, after ?? before];
  const creates = happened && operation === "create" && targets.length === 1 && isAbout(event, subject) && !before?.size;
  const deletes = happened && operation === "delete" && !after?.size && oneType(event) && isAbout(event, subject);
  return {
    moment: { at: occurredAt(event), event: event.id, action: event.action, by: event.actor, shared: Math.max(0, targets.length - 1) },
    before,
    after: deletes ? null : after,
    // Where something was erased, what is left is not the whole.
    whole: event.changes?.complete === true && erased === 0,
    creates,
    deletes,
    silent: happened && !before && !after && operation === "update",
  };
}

function oneType(event: AuditEvent): boolean {
  return new Set((event.targets ?? []).map((target) => target.type)).size === 1;
}

/**
 * Whether the action's own thing is the target: `video.delete` of a video is its end, `share_link.expire` on a video is not, nor is
 * `playlist.video.remove` on a playlist. Where an action names a thing of another name, nothing is guessed.
 */
function isAbout(event: AuditEvent, subject: Subject): boolean {
  const type = subject.type ?? event.targets?.find((target) => target.id === subject.id)?.type ?? "";
  const segments = event.action.split(/[./:]+/).filter(Boolean);
  const words = (segments.at(-1) ?? "").split(/[^\p{L}\p{N}]+|(?<=\p{Ll})(?=\p{Lu})/u).filter(Boolean);
  const things = [segments.at(-2), words.slice(1).join(""), words.slice(0, -1).join("")].filter((thing) => thing);
  if (things.length === 0) return true;
  const wanted = plain(type.split("::").at(-1) ?? type);
  return things.some((thing) => plain(thing as string) === wanted);
}

function plain(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "").replace(/s$/, "");
}
