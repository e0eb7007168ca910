/** What happened, as a sentence and as things to copy. Pure. */

import type { Actor, AuditEvent, Target } from "../../api/types.js";
import type { Language } from "../../text/words.js";
import { eventText } from "../../text/event.js";

/** When it occurred, as well as it is known. */
export function occurredAt(event: AuditEvent): string {
  return event.occurred_at ?? event.derived?.occurred_at ?? event.received_at;
}

export function operationOf(event: AuditEvent): string {
  return event.operation ?? event.derived?.operation ?? "other";
}

export function actorName(actor: Actor | undefined): string | null {
  return actor?.name || actor?.email || actor?.id || actor?.type || null;
}

export function targetName(target: Target): string {
  return [target.type, target.name || target.id].filter(Boolean).join(" ");
}

/** What the client said, or who did what to what. */
export function sentence(event: AuditEvent, language: Language): string {
  if (event.description) return event.description;
  const t = eventText(language);
  const who = actorName(event.actor) ?? t.somebody;
  const result = event.outcome?.result;
  const tried = result === "failure" || result === "denied";
  const [first, ...others] = event.targets ?? [];
  const what = first ? targetName(first) : "";
  const more = others.length ? t.andOthers(others.length) : "";
  return [who, verb(event, language, tried), what + more].filter(Boolean).join(" ");
}

function verb(event: AuditEvent, language: Language, tried: boolean): string {
  const t = eventText(language);
  const verbs: Record<string, [done: string, tried: string]> = {
    create: [t.created, t.triedCreate], read: [t.read, t.triedRead], update: [t.updated, t.triedUpdate], delete: [t.deleted, t.triedDelete],
    access: [t.accessed, t.triedAccess], snapshot: [t.recorded, t.triedRecord],
  };
  const operation = operationOf(event);
  const found = verbs[operation];
  if (found) return found[tried ? 1 : 0];
  if (operation === "authentication") {
    const action = event.action.toLowerCase();
    if (/log_?out|log_?off|sign_?out/.test(action)) return tried ? t.triedSignOut : t.signedOut;
    if (/log_?(?:ged_?)?(?:in|on)|sign_?(?:ed_?)?(?:in|on)/.test(action)) return tried ? t.triedSignIn : t.signedIn;
  }
  return (tried ? t.triedOther : t.did)(event.action) + (event.targets?.length ? ` ${t.on}` : "");
}

/** A command that asks for the event; the key comes from the environment. */
export function curl(url: string): string {
  const quoted = url.replaceAll("'", "%27");
  return `curl -sS -H "Authorization: Bearer $ANNALS_KEY" '${quoted}'`;
}

/** A text as one word of a shell's command. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Puts a text on the clipboard; false where the browser does not let us. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByHand(text);
  }
}

/** Pages without a safe origin have no clipboard but the one of old. */
function copyByHand(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("aria-hidden", "true");
  area.style.position = "fixed";
  area.style.opacity = "0";
  const focused = document.activeElement as HTMLElement | null;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}
