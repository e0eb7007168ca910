/** What this browser remembers of logs, so that it sees when one is not the one it saw before. */

import type { Memory } from "./check.js";

/** Logs remembered; the ones seen longest ago are forgotten beyond it. */
const LOGS_MAX = 200;

const BEGINNING = "annals.log ";

/** The name under which a log of a server is remembered. */
export function nameOf(server: string, origin: string): string {
  return `${BEGINNING}${server || location.origin} ${origin}`;
}

/** What is remembered of a log; null where nothing is. Throws where the browser keeps nothing for pages. */
export function recall(name: string): Memory | null {
  const text = localStorage.getItem(name);
  if (text === null) return null;
  const found = JSON.parse(text) as Partial<Memory>;
  const { size, witnesses, ...texts } = found;
  const whole = [texts.origin, texts.publicKey, texts.root, texts.since, texts.at].every((text) => typeof text === "string");
  const isRoot = /^[A-Za-z0-9+/]{43}=$/.test(texts.root ?? "");
  if (!whole || !isRoot || !Number.isSafeInteger(size)) throw new Error("what is remembered cannot be read");
  return { ...(texts as Memory), size: size as number, witnesses: { ...witnesses } };
}

/** Keeps what was seen, never less than before: another tab may have seen more. */
export function remember(name: string, seen: Memory): void {
  const before = recall(name);
  const tree = before && before.size > seen.size ? before : seen;
  const since = before?.since ?? seen.since;
  localStorage.setItem(name, JSON.stringify({ ...tree, since, witnesses: { ...before?.witnesses, ...seen.witnesses } }));
  tidy(name);
}

export function forget(name: string): void {
  localStorage.removeItem(name);
}

function tidy(newest: string): void {
  const names = Object.keys(localStorage).filter((name) => name.startsWith(BEGINNING) && name !== newest);
  if (names.length < LOGS_MAX) return;
  const at = (name: string) => /"at":"([^"]*)"/.exec(localStorage.getItem(name) ?? "")?.[1] ?? "";
  names.sort((one, other) => at(one).localeCompare(at(other)));
  for (const name of names.slice(0, names.length - LOGS_MAX + 1)) forget(name);
}
