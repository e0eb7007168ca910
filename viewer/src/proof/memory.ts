/** What this browser remembers of logs, so that it sees when one is not the one it saw before. */

import type { Memory } from "./check.js";

/** Logs remembered; the ones seen longest ago are forgotten beyond it. */
const LOGS_MAX = 200;

const BEGINNING = "annals.log ";

/** The name under which the log of a server's tenant is remembered: whatever the server calls it. */
export function nameOf(server: string, tenant: string): string {
  return `${BEGINNING}${server || location.origin} ${tenant}`;
}

/** What is remembered of a log; null where nothing is. Throws where the browser keeps nothing for pages. */
export function recall(name: string): Memory | null {
  const text = localStorage.getItem(name);
  if (text === null) return null;
  const found = JSON.parse(text) as Partial<Memory>;
  const { size, witnesses, quorum, ...texts } = found;
  const whole = [texts.origin, texts.publicKey, texts.root, texts.since, texts.at].every((text) => typeof text === "string");
  const isRoot = /^[A-Za-z0-9+/]{43}=$/.test(texts.root ?? "");
  if (!whole || !isRoot || !Number.isSafeInteger(size) || !(quorum === undefined || Number.isSafeInteger(quorum))) throw new Error("what is remembered cannot be read");
  return { ...(texts as Memory), size: size as number, witnesses: { ...witnesses }, ...(quorum === undefined ? {} : { quorum }) };
}

/** Keeps what was seen and compared with `before`; nothing where another tab learnt something else meanwhile. */
export function remember(name: string, seen: Memory, before: Memory | null): void {
  if (JSON.stringify(recall(name)) !== JSON.stringify(before)) return;
  const quorum = Math.max(before?.quorum ?? 0, seen.quorum ?? 0);
  const now = { ...seen, since: before?.since ?? seen.since, witnesses: { ...before?.witnesses, ...seen.witnesses } };
  localStorage.setItem(name, JSON.stringify(quorum ? { ...now, quorum } : now));
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
