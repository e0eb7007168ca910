/** What may follow what is typed into the search box. Pure: values come from whoever asks the server for them. */

import { FIELDS, field } from "./fields.js";
import type { Scalar, Term } from "./view.js";

/** What a typed text stands for, or may come to. */
export type Typed =
  /** Nothing but a part of a field's name or some words. */
  | { kind: "text"; text: string }
  /** A field and the beginning of a value. */
  | { kind: "value"; path: string; not: boolean; text: string }
  /** A filter of the API. */
  | { kind: "filter"; text: string };

const OPERATOR = /(^|[\s(])[\w.$"-]+(\[|\s+(eq|ne|co|sw|ew|gt|ge|lt|le|ieq|ico|isw|iew|cidr|pr)(\s|$))/i;

/** Reads what is typed: `actor.id:u1`, `-action:user.login`, `actor.id eq "u1"`, or words. */
export function readTyped(text: string): Typed {
  const named = /^(-?)([A-Za-z_"][\w.$"-]*?)(?::|=)(.*)$/s.exec(text.trim());
  if (named && isPath(named[2] as string)) {
    const value = (named[3] as string).trim().replace(/^"(.*)"$/s, "$1");
    return { kind: "value", path: pathOf(named[2] as string), not: named[1] === "-", text: value };
  }
  if (OPERATOR.test(text)) return { kind: "filter", text: text.trim() };
  return { kind: "text", text: text.trim() };
}

/** The condition of a field and a value that were typed; inside `metadata` and `changes` digits are a number. */
export function termOf(typed: { path: string; not: boolean; text: string }): Term {
  const free = field(typed.path).param === null;
  const value: Scalar = free && /^-?(0|[1-9]\d*)(\.\d+)?$/.test(typed.text) ? Number(typed.text) : free && /^(true|false)$/.test(typed.text) ? typed.text === "true" : typed.text;
  return { kind: typed.not ? "not" : "is", path: typed.path, value };
}

/** Fields whose path or name holds what is typed, those that begin with it first; none that cannot be asked about. */
export function fieldsLike(text: string, nameOf: (path: string) => string, hides: (path: string) => boolean = () => false, max = 8): string[] {
  const wanted = text.replace(/^-/, "").toLowerCase();
  const rank = (path: string) => {
    const [one, name] = [path.toLowerCase(), nameOf(path).toLowerCase()];
    if (one.startsWith(wanted) || name.startsWith(wanted)) return 0;
    return one.includes(wanted) || name.includes(wanted) ? 1 : 2;
  };
  const ranked = FIELDS.filter(({ path }) => !hides(path)).map(({ path }) => [rank(path), path] as const).filter(([at]) => at < 2);
  return ranked.sort(([one], [other]) => one - other).slice(0, max).map(([, path]) => path);
}

function isPath(text: string): boolean {
  const path = pathOf(text);
  return field(path).param !== null || /^(metadata|changes|actor|targets|context)\./.test(path);
}

/** `actor_id` is `actor.id`. */
function pathOf(text: string): string {
  if (field(text).param) return text;
  const dotted = FIELDS.find((one) => one.param === text);
  return dotted?.path ?? text;
}
