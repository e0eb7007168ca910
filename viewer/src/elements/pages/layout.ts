/** How the pages of an actor and of a target look, and what they share. */

import { css, html, nothing } from "lit";
import { occurredAt, type AuditEvent, type Json } from "../../api/types.js";
import type { Language } from "../../text/words.js";
import type { Viewer } from "../../viewer.js";
import type { Zone } from "../../view/time.js";
import { instant } from "../../view/time.js";
import { reference, referred } from "../explorer/table.js";

export const layout = css`
  :host { display: flex; min-height: 0; height: 100%; container-type: inline-size; }
  .page { flex: 1; min-width: 0; overflow: auto; overscroll-behavior: contain; }
  .inner { max-width: 1480px; margin: 0 auto; padding: 18px 20px 40px; display: grid; grid-template-columns: minmax(0, 1fr); gap: 20px; }
  .subject { display: flex; flex-wrap: wrap; gap: 10px 16px; align-items: flex-start; }
  .subject .face { flex: none; display: grid; place-content: center; width: 44px; height: 44px; border-radius: 12px; background: var(--accent-ground); color: var(--accent); }
  .subject .face svg { width: 22px; height: 22px; }
  .subject .names { flex: 1 1 200px; min-width: 0; }
  .subject h1 { font-size: 21px; line-height: 1.25; letter-spacing: -0.01em; overflow-wrap: anywhere; max-height: 5em; overflow: auto; }
  .subject .about { display: flex; flex-wrap: wrap; gap: 2px 14px; color: var(--text-2); overflow-wrap: anywhere; max-height: 7.5em; overflow: auto; }
  .subject .tools { display: flex; flex-wrap: wrap; gap: 6px; }
  h2 { font-size: 15px; }
  .stats { display: flex; flex-wrap: wrap; gap: 10px 28px; margin: 0; }
  .stats div { min-width: 0; }
  .stats dt { font-size: 12px; color: var(--text-2); }
  .stats dd { margin: 0; font-size: 15px; font-weight: 600; font-variant-numeric: tabular-nums; }
  .stats dd.when { font-weight: 500; }
  .card { border: 1px solid var(--line); border-radius: calc(var(--radius) + 2px); background: var(--ground); min-width: 0; }
  .trouble { display: grid; justify-items: start; gap: 6px; padding: 14px; border: 1px solid var(--bad); border-radius: var(--radius); background: var(--bad-ground); overflow-wrap: anywhere; }
  .empty { padding: 36px 20px; text-align: center; display: grid; gap: 6px; justify-items: center; color: var(--text-2); }
  .empty strong { color: var(--text); font-size: 15px; }
  .skeleton { height: 14px; border-radius: 4px; background: var(--ground-3); }
  .note { display: flex; gap: 8px; padding: 8px 12px; border-radius: var(--radius); background: var(--ground-2); font-size: 13px; overflow-wrap: anywhere; }
  .note svg { flex: none; margin-top: 2px; }
  .note.good { background: var(--good-ground); } .note.good svg { color: var(--good); }
  .note.warn { background: var(--warn-ground); } .note.warn svg { color: var(--warn); }
  .note.bad { background: var(--bad-ground); } .note.bad svg { color: var(--bad); }
  annals-event { flex: none; width: min(560px, 44%); min-height: 0; overflow: auto; border-inline-start: 1px solid var(--line); background: var(--ground); }
  @container (max-width: 860px) {
    .inner { padding: 14px 12px 32px; gap: 16px; }
    annals-event { position: fixed; inset: 0; z-index: 30; width: auto; border: 0; }
  }
`;

/** The open event, beside the page. */
export function openEvent(viewer: Viewer, event: AuditEvent | null, close: () => void, step: (by: number) => void) {
  const open = referred(viewer);
  if (!open) return nothing;
  return html`<annals-event .viewer=${viewer} .eventId=${open.id} .tenant=${open.tenant} .event=${event}
    @close=${close} @step=${(stepped: CustomEvent<number>) => step(stepped.detail)}></annals-event>`;
}

/** Opens an event beside the page. */
export function open(viewer: Viewer, event: AuditEvent): void {
  viewer.patch({ event: reference(viewer, event) }, viewer.view.event !== null);
}

/** Day and time, to the minute unless told otherwise, in the viewer's zone. */
export function moment(text: string, zone: Zone, seconds = false): string {
  return instant(text, zone).slice(0, seconds ? 19 : 16);
}

/** The day of an event, as the zone has it. */
export function dayOf(event: AuditEvent, zone: Zone): string {
  return instant(occurredAt(event), zone).slice(0, 10);
}

/** A day in words: `Monday, 23 November 2026`. */
export function dayName(day: string, language: Language): string {
  const format = new Intl.DateTimeFormat(language === "pt" ? "pt-BR" : "en-GB", { dateStyle: "full", timeZone: "UTC" });
  const at = new Date(`${day}T00:00:00Z`);
  return Number.isNaN(at.getTime()) ? day : format.format(at);
}

/** A test of a filter, with the value in quotes. */
export function is(path: string, value: Json): string {
  return `${path} eq ${JSON.stringify(value)}`;
}
