/** JSON whose numbers keep their digits: `9007199254740993` and `1.50` stay what they are. */

import type { Json } from "../api/types.js";

/** A number whose text a double does not give back. */
export class Digits {
  constructor(readonly text: string) {}

  toString(): string {
    return this.text;
  }
}

/** JSON in which some numbers are `Digits`. */
export type Exact = Json | Digits | Exact[] | { [name: string]: Exact };

/** A string or a number of a JSON text. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9][0-9.eE+-]*/g;

/** What a JSON text says; throws a `SyntaxError` where it is none. */
export function parseExact<T = Exact>(text: string): T {
  // A number that a double would change goes through the parser as a string with a beginning that nobody can have guessed.
  const mark = `${crypto.getRandomValues(new Uint32Array(4)).join("-")}:`;
  let marked = false;
  const through = text.replace(TOKEN, (token) => {
    if (token.startsWith('"') || String(Number(token)) === token) return token;
    JSON.parse(token);
    marked = true;
    return `"${mark}${token}"`;
  });
  if (!marked) return JSON.parse(through) as T;
  return JSON.parse(through, (_, value: unknown) =>
    typeof value === "string" && value.startsWith(mark) ? new Digits(value.slice(mark.length)) : value,
  ) as T;
}

export function isObject(value: unknown): value is { [name: string]: Exact } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Digits);
}

/** Value bytes as a text: members in the order of their UTF-16 code units, strings as RFC 8785 has them, numbers digit for digit. */
export function canonical(value: Exact): string {
  if (value instanceof Digits) return value.text;
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name] as Exact)}`);
  return `{${members.join(",")}}`;
}

/** A JSON text for people. */
export function pretty(value: Exact, indent = ""): string {
  const inner = `${indent}  `;
  if (Array.isArray(value) && value.length) return `[\n${value.map((item) => inner + pretty(item, inner)).join(",\n")}\n${indent}]`;
  if (isObject(value) && Object.keys(value).length) {
    const members = Object.entries(value).map(([name, member]) => `${inner}${JSON.stringify(name)}: ${pretty(member, inner)}`);
    return `{\n${members.join(",\n")}\n${indent}}`;
  }
  return canonical(value);
}
