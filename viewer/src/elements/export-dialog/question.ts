/** A view's question, in words. Pure. */

import { exportText } from "../../text/export.js";
import { fieldName } from "../../text/fields.js";
import type { Language } from "../../text/words.js";
import { type Zone, bounds, instant, offsetName } from "../../view/time.js";
import type { View } from "../../view/view.js";

/** The conditions, each a sentence's worth. */
export function conditionsIn(view: View, language: Language): string[] {
  const t = exportText(language);
  const said: string[] = [];
  const any = new Map<string, string[]>();
  for (const term of view.terms) {
    const name = fieldName(term.path, language);
    if (term.kind === "present") said.push(`${name} ${t.present}`);
    else if (term.kind === "absent") said.push(`${name} ${t.absent}`);
    else if (term.kind === "not") said.push(`${name} ${t.isNot} “${term.value}”`);
    else any.set(name, [...(any.get(name) ?? []), `“${term.value}”`]);
  }
  for (const [name, values] of any) said.push(`${name} ${t.is} ${values.join(` ${t.or} `)}`);
  if (view.q.trim()) said.push(`${t.words} “${view.q.trim()}”`);
  if (view.filter.trim()) said.push(`${t.filter} ${view.filter.trim()}`);
  return said;
}

/** The stretch of time, as it stands now. */
export function timeIn(view: View, language: Language, zone: Zone): string {
  const t = exportText(language);
  const { since, until } = bounds(view.range);
  const at = (text: string) => `${instant(text, zone)} ${offsetName(zone, new Date(text))}`;
  if (since && until) return t.between(at(since), at(until));
  return since ? t.since(at(since)) : until ? t.until(at(until)) : t.allTime;
}
