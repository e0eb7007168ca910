/** A report for people, on paper: what was asked, and the events found. */

import { LitElement, css, html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import { type AuditEvent, type EventsPage, occurredAt } from "../../api/types.js";
import { icons } from "../../icons.js";
import { exportText } from "../../text/export.js";
import { resultName } from "../../text/explorer.js";
import { base, theme } from "../../theme.js";
import { instant, offsetName } from "../../view/time.js";
import { type View, question } from "../../view/view.js";
import type { Viewer } from "../../viewer.js";
import { conditionsIn, timeIn } from "./question.js";

/** Most events that a report lists. */
export const REPORT_EVENTS_MAX = 5_000;

const PAGE = 1_000;

export interface Report {
  view: View;
  events: AuditEvent[];
  /** All that match; null where counting took too long. */
  total: number | null;
  size: number;
  more: boolean;
  at: Date;
}

/** Reads what a report lists. `read` hears how many events there are so far. */
export async function readReport(viewer: Viewer, signal: AbortSignal, read: (count: number) => void): Promise<Report> {
  const { view } = viewer;
  const first = question(view);
  first.set("limit", String(PAGE));
  first.set("total", "true");
  if (view.order === "asc") first.set("order", "asc");
  const report: Report = { view, events: [], total: null, size: 0, more: false, at: new Date() };
  let next: string | null = null;
  do {
    const page: EventsPage = await viewer.api.json<EventsPage>("/v1/events", next === null ? first : new URLSearchParams({ cursor: next, limit: String(PAGE) }), { signal });
    report.events.push(...page.events);
    report.total = page.total ?? null;
    report.size = page.size;
    next = page.next;
    read(report.events.length);
  } while (next !== null && report.events.length < REPORT_EVENTS_MAX);
  report.more = next !== null;
  return report;
}

/** On paper there is nothing but the report. */
const ALONE = "@media print { body > :not(annals-report) { display: none !important; } html, body { height: auto !important; background: #fff !important; } }";

/** Shows a report over the page until it is closed. */
export function showReport(viewer: Viewer, report: Report): void {
  const element = document.createElement("annals-report");
  element.viewer = viewer;
  element.report = report;
  const alone = new CSSStyleSheet();
  alone.replaceSync(ALONE);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, alone];
  // Neither the keyboard nor a screen reader goes behind it.
  const behind = [...document.body.children].filter((one): one is HTMLElement => one instanceof HTMLElement && !one.inert);
  const before = (document.activeElement as HTMLElement | null) ?? document.body;
  element.addEventListener("close", () => {
    element.remove();
    for (const one of behind) one.inert = false;
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => sheet !== alone);
    before.focus();
  });
  for (const one of behind) one.inert = true;
  document.body.append(element);
}

/** `<annals-report .viewer .report>`; fires `close`. */
@customElement("annals-report")
export class ReportElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property({ attribute: false }) report!: Report;

  static override styles = [
    theme,
    base,
    css`
      :host { position: fixed; inset: 0; z-index: 2147483000; overflow: auto; color-scheme: light; --ground: #fff; --text: #1a1d24; outline: none; }
      .tools { position: sticky; top: 0; display: flex; gap: 8px; padding: 10px 20px; border-bottom: 1px solid var(--line); background: var(--ground); }
      .tools button:last-child { margin-inline-start: auto; }
      article { max-width: 1180px; margin: 0 auto; padding: 24px 20px 60px; }
      h1 { font-size: 24px; margin-bottom: 12px; letter-spacing: -0.01em; }
      dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 4px 18px; margin: 0 0 18px; }
      dt { color: var(--text-2); }
      dd { margin: 0; overflow-wrap: anywhere; }
      ul { margin: 0; padding-inline-start: 18px; }
      .more { padding: 8px 12px; border: 1px solid var(--warn); border-radius: var(--radius); margin-bottom: 14px; font-weight: 600; }
      table { width: 100%; border-collapse: collapse; font-size: 12px; table-layout: fixed; }
      th, td { padding: 5px 6px; border-bottom: 1px solid var(--line); text-align: start; vertical-align: top; overflow-wrap: anywhere; }
      th { font-weight: 600; border-bottom-color: var(--line-strong); }
      th:nth-child(1) { width: 14%; } th:nth-child(2) { width: 14%; } th:nth-child(3) { width: 13%; } th:nth-child(4) { width: 18%; } th:nth-child(6) { width: 9%; } th:nth-child(7) { width: 11%; }
      tr { break-inside: avoid; }
      .wide { overflow-x: auto; }
      @media (max-width: 700px) { table { min-width: 760px; } dl { grid-template-columns: minmax(0, 1fr); } dt { margin-top: 6px; } }
      @media print {
        :host { position: static; overflow: visible; }
        .tools { display: none; }
        article { padding: 0; max-width: none; }
        thead { display: table-header-group; }
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.tabIndex = -1;
    this.setAttribute("role", "dialog");
    this.setAttribute("aria-modal", "true");
    this.setAttribute("aria-label", exportText(this.viewer.language).reportTitle);
    this.lang = this.viewer.language;
  }

  protected override firstUpdated(): void {
    this.renderRoot.querySelector<HTMLElement>("button")?.focus();
  }

  override render() {
    const t = exportText(this.viewer.language);
    const { language, zone } = this.viewer;
    const { view, events, total, size, more, at } = this.report;
    const conditions = conditionsIn(view, language);
    const session = this.viewer.session;
    const who = session?.email ?? session?.name ?? session?.key_id;
    return html`<div class="tools" @keydown=${this.#key}><button class="primary" @click=${() => print()}>${t.print}</button><button @click=${this.#close}>${icons.close}${t.close}</button></div>
      <article @keydown=${this.#key}>
        <h1>${t.reportTitle}</h1>
        <dl>
          <dt>${t.tenant}</dt><dd dir="auto">${view.tenant ?? session?.tenant ?? t.allTenants}</dd>
          ${view.page === "access" ? html`<dt>${t.log}</dt><dd>${t.accessLog}</dd>` : nothing}
          <dt>${t.time}</dt><dd>${timeIn(view, language, zone)}</dd>
          <dt>${t.conditions}</dt><dd>${conditions.length ? html`<ul>${conditions.map((one) => html`<li dir="auto">${one}</li>`)}</ul>` : t.noConditions}</dd>
          <dt>${t.made}</dt><dd>${instant(at.toISOString(), zone)} ${offsetName(zone, at)}${who ? html` <span dir="auto">${t.madeBy(who)}</span>` : nothing}</dd>
          <dt>${t.total}</dt><dd>${(total ?? events.length).toLocaleString(language)}${more && total === null ? "+" : ""}. ${t.size(size)}</dd>
        </dl>
        ${more ? html`<p class="more">${total === null ? t.firstOfMany(events.length) : t.firstOf(events.length, total)}</p>` : nothing}
        <div class="wide" role="region" tabindex="0" aria-label=${t.total}><table>
          <thead><tr><th>${t.time}</th><th>${t.who}</th><th>${t.did}</th><th>${t.to}</th><th>${t.says}</th><th>${t.result}</th><th>${t.from}</th></tr></thead>
          <tbody>${events.map((event) => this.#row(event))}</tbody>
        </table></div>
      </article>`;
  }

  #row(event: AuditEvent) {
    const { actor, targets = [], context, outcome } = event;
    const what = targets.map((target) => [target.type, target.name ?? target.id].filter(Boolean).join(" ")).join(", ");
    return html`<tr><td>${instant(occurredAt(event), this.viewer.zone, 3)}</td><td dir="auto">${actor.name ?? actor.email ?? actor.id ?? actor.type}</td><td dir="auto">${event.action}</td>
      <td dir="auto">${what}</td><td dir="auto">${event.description ?? ""}</td><td>${outcome?.result ? resultName(outcome.result, this.viewer.language) : ""}</td><td dir="auto">${context?.ip ?? ""}</td></tr>`;
  }

  readonly #key = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    this.#close();
  };

  readonly #close = () => this.dispatchEvent(new Event("close"));
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-report": ReportElement;
  }
}
