/** The events found, one a row, through millions of them. */

import { LitElement, type PropertyValues, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { type AuditEvent, occurredAt, operationOf } from "../../api/types.js";
import type { Rows } from "../../explorer/rows.js";
import { explorer, resultName } from "../../text/explorer.js";
import { base, usable } from "../../theme.js";
import { instant } from "../../view/time.js";
import { type Viewer, Watch } from "../../viewer.js";
import type { Usable } from "../value-menu.js";
import { Window } from "./scroll.js";

const ROW_PX = 36;
const CARD_PX = 60;

/** Rows that are drawn beyond those that are seen. */
const BEYOND_ROWS = 12;

/** Narrower than so, an event is a card of two lines. */
const CARD_BELOW_PX = 720;

/**
 * `<annals-table .viewer .rows .fresh .version>`: `fresh` stand above the rows, newest first; `version` tells that something changed. Fires `pick`
 * with an event that was opened.
 */
@customElement("annals-table")
export class TableElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property({ attribute: false }) rows: Rows | null = null;
  @property({ attribute: false }) fresh: readonly AuditEvent[] = [];
  @property({ attribute: false }) version = 0;
  @property({ type: Boolean }) busy = false;
  @state() private active = -1;
  @state() private cards = innerWidth < CARD_BELOW_PX;
  protected readonly watch = new Watch(this);
  readonly #window = new Window();
  /** Pixels of the rows that are seen, and from where; before they were measured no more than the whole page has. */
  #seenPx: number | null = null;
  #scrolledPx = 0;
  #sized: ResizeObserver | null = null;
  #known: Rows | null = null;
  #freshBefore = 0;
  /** Rows that came above whoever reads on. */
  #grown = 0;

  static override styles = [
    base,
    usable,
    css`
      :host { display: flex; flex-direction: column; min-height: 0; min-width: 0; height: 100%; container-type: inline-size; }
      .scroller { flex: 1; min-height: 0; overflow: auto; overflow-anchor: none; contain: strict; outline-offset: -2px; scrollbar-gutter: stable; }
      .all { position: relative; width: 100%; }
      .row {
        position: absolute; inset-inline: 0; top: 0; display: grid; align-items: center; gap: 12px; padding: 0 12px; cursor: pointer; border-bottom: 1px solid var(--line);
        grid-template-columns: 146px minmax(90px, 1fr) minmax(110px, 1fr) minmax(110px, 1.9fr) minmax(116px, 0.5fr) 84px; height: ${ROW_PX}px; font-size: 13px;
      }
      .row.tenants { grid-template-columns: 146px minmax(80px, 0.7fr) minmax(90px, 1fr) minmax(110px, 1fr) minmax(110px, 1.9fr) minmax(116px, 0.5fr) 84px; }
      .row:where(.no-address) { grid-template-columns: 146px minmax(90px, 1fr) minmax(110px, 1fr) minmax(110px, 1.9fr) 84px; }
      .row > * { min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; padding-inline-start: 3px; }
      .row .value { margin-inline-start: -3px; min-width: 0; }
      .row:hover { background: var(--ground-2); }
      .row.active { box-shadow: inset 3px 0 0 var(--accent); background: var(--ground-2); }
      .row.open { background: var(--accent-ground); }
      .head { position: static; height: 30px; font-size: 12px; color: var(--text-2); cursor: default; border-bottom: 1px solid var(--line); background: var(--ground); padding-inline-end: 26px; }
      .head:hover { background: var(--ground); }
      .head button { border: 0; background: none; min-height: 26px; padding: 0; color: inherit; }
      .time { font-variant-numeric: tabular-nums; color: var(--text-2); }
      .badge { display: inline-block; padding: 0 7px; border-radius: 99px; font-size: 12px; line-height: 20px; width: fit-content; max-width: 100%; }
      .success { color: var(--good); } .failure { color: var(--bad); background: var(--bad-ground); } .denied { color: var(--warn); background: var(--warn-ground); }
      .unknown { color: var(--text-2); }
      .delete { color: var(--bad); }
      .targets { display: flex; gap: 5px; }
      .targets > .quiet { flex: none; max-width: 45%; }
      .skeleton { height: 12px; border-radius: 4px; background: var(--ground-3); width: 70%; }
      .busy { opacity: 0.55; transition: opacity 0.2s 0.15s; }
      .cards .row { height: ${CARD_PX}px; grid-template-columns: 1fr auto; grid-template-rows: 1fr 1fr; gap: 0 8px; padding: 6px 10px; }
      .cards .who { grid-row: 1; grid-column: 1; display: flex; gap: 6px; }
      .cards .time { grid-row: 1; grid-column: 2; font-size: 12px; }
      .cards .targets { grid-row: 2; grid-column: 1; }
      .cards .row > :last-child { grid-row: 2; grid-column: 2; justify-self: end; }
      .new { animation: new 2.4s ease-out; }
      @keyframes new { from { background: var(--good-ground); } }
      @container (max-width: 860px) {
        .where { display: none; }
        .row { grid-template-columns: 146px minmax(70px, 1fr) minmax(90px, 1.1fr) minmax(90px, 1.4fr) 78px; gap: 10px; }
        .row.tenants { grid-template-columns: 146px minmax(60px, 0.8fr) minmax(70px, 1fr) minmax(80px, 1fr) minmax(80px, 1.3fr) 78px; }
      }
      @media (forced-colors: active) { .row.open, .row.active { outline: 2px solid Highlight; outline-offset: -2px; } }
    `,
  ];

  get #count(): number {
    return this.fresh.length + (this.rows?.total ?? 0);
  }

  get #rowPx(): number {
    return this.cards ? CARD_PX : ROW_PX;
  }

  /** The event at a place, fresh ones first. */
  at(index: number): AuditEvent | null {
    return index < this.fresh.length ? (this.fresh[index] ?? null) : (this.rows?.at(index - this.fresh.length) ?? null);
  }

  /** Where an event is, among those that are there; -1 for none. */
  indexOf(id: string, tenant: string | null): number {
    const fresh = this.fresh.findIndex((event) => event.id === id);
    if (fresh >= 0) return fresh;
    const at = this.rows?.indexOf(id, tenant) ?? -1;
    return at < 0 ? -1 : at + this.fresh.length;
  }

  /** Goes to a row; opens it where asked. */
  goTo(index: number, open = false): void {
    if (this.#count === 0) return;
    this.active = Math.max(0, Math.min(index, this.#count - 1));
    const place = this.#window.bring(this.active);
    const top = place * this.#rowPx;
    const seen = this.#seenPx ?? 0;
    const bottom = top + this.#rowPx - seen;
    // Whoever comes from afar looks around there.
    if (Math.abs(top - this.#scrolledPx) > 2 * seen) this.#scrollTo(top - seen / 2);
    else if (top < this.#scrolledPx) this.#scrollTo(top);
    else if (bottom > this.#scrolledPx) this.#scrollTo(bottom);
    if (open) this.#pick(this.active);
  }

  override focus(): void {
    this.renderRoot.querySelector<HTMLElement>(".scroller")?.focus();
  }

  protected override willUpdate(changed: PropertyValues): void {
    if (changed.has("rows") && this.rows !== this.#known) {
      this.#known = this.rows;
      this.active = -1;
      this.#window.first = 0;
      this.#freshBefore = this.fresh.length;
    }
    // Who reads on stays where he is while new ones come above.
    const grown = this.fresh.length - this.#freshBefore;
    this.#freshBefore = this.fresh.length;
    if (grown > 0 && this.active >= 0) this.active += grown;
    this.#window.resize(this.#count);
    this.#grown = this.#scrolledPx > 2 * this.#rowPx ? Math.max(0, grown) : 0;
  }

  override firstUpdated(): void {
    // Nothing is measured by asking, which would have the browser lay out all that changed: the observer tells once it has.
    this.#sized = new ResizeObserver(() => {
      this.#seenPx = this.#scroller.clientHeight;
      this.cards = this.clientWidth < CARD_BELOW_PX;
      this.requestUpdate();
    });
    this.#sized.observe(this);
    this.#sized.observe(this.#scroller);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) this.firstUpdated();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#sized?.disconnect();
  }

  override updated(): void {
    if (this.#grown) this.#scrollTo(this.#scrolledPx + this.#grown * this.#rowPx);
    this.#grown = 0;
    const { first, end } = this.#drawn;
    if (end > first) this.rows?.want(first - this.fresh.length, end - 1 - this.fresh.length);
  }

  get #scroller(): HTMLElement {
    return this.renderRoot.querySelector(".scroller") as HTMLElement;
  }

  #scrollTo(px: number): void {
    this.#scroller.scrollTop = px;
    this.#scrolledPx = this.#scroller.scrollTop;
    this.requestUpdate();
  }

  /** The rows that are drawn, by their numbers: before anything was measured, what a screen shows at most. */
  get #drawn(): { first: number; end: number } {
    const [seen, beyond] = this.#seenPx === null ? [innerHeight, 0] : [this.#seenPx, BEYOND_ROWS];
    return this.#window.drawn(this.#scrolledPx, seen, this.#rowPx, beyond);
  }

  override render() {
    const t = explorer(this.viewer.language);
    const { first, end } = this.#drawn;
    const rows = Array.from({ length: end - first }, (_, at) => first + at);
    const height = this.#window.rows * this.#rowPx;
    const active = this.active >= 0 ? `row-${this.active}` : nothing;
    return html`
      ${this.cards ? nothing : this.#head()}
      <div class="scroller ${this.cards ? "cards" : ""} ${this.busy ? "busy" : ""}" tabindex="0" role="grid" aria-label=${t.table} aria-rowcount=${this.rows?.open ? -1 : this.#count}
        aria-activedescendant=${active} aria-busy=${this.busy} @keydown=${this.#key} @scroll=${this.#scroll}>
        <div class="all" role="rowgroup" .style=${`height: ${height}px`}>
          ${repeat(rows, (row) => row, (row) => this.#row(row, (row - this.#window.first) * this.#rowPx))}
        </div>
      </div>
      <annals-value-menu .viewer=${this.viewer}></annals-value-menu>`;
  }

  get #tenants(): boolean {
    return this.viewer.session !== null && this.viewer.session.tenant === null && this.viewer.view.tenant === null;
  }

  /** Where an event came from is told; not where whoever looks may not know it. */
  get #addresses(): boolean {
    return !this.viewer.hides("context.ip");
  }

  /** The columns that there are, as classes of a row. */
  get #columns(): string {
    return `${this.#tenants ? "tenants" : ""} ${this.#addresses ? "" : "no-address"}`;
  }

  #head() {
    const t = explorer(this.viewer.language);
    const { order } = this.viewer.view;
    return html`<div class="row head ${this.#columns}">
      <span><button title=${order === "desc" ? t.newest : t.oldest} @click=${() => this.viewer.patch({ order: order === "desc" ? "asc" : "desc", live: false })}>${t.time} ${order === "desc" ? "↓" : "↑"}</button></span>
      ${this.#tenants ? html`<span>${t.tenant}</span>` : nothing}
      <span>${t.actor}</span><span>${t.action}</span><span>${t.target}</span>${this.#addresses ? html`<span class="where">${t.address}</span>` : nothing}<span>${t.result}</span></div>`;
  }

  #row(index: number, top: number) {
    const event = this.at(index);
    const open = event !== null && this.viewer.view.event !== null && this.viewer.view.event === reference(this.viewer, event);
    const classes = `row ${this.#columns} ${index === this.active ? "active" : ""} ${open ? "open" : ""} ${index < this.fresh.length ? "new" : ""}`;
    return html`<div id=${`row-${index}`} role="row" aria-rowindex=${index + 1} aria-selected=${open} class=${classes} .style=${`transform: translateY(${top}px)`} @click=${() => this.#clicked(index)}>
      ${event ? (this.cards ? this.#card(event) : this.#cells(event)) : this.#waiting()}
    </div>`;
  }

  #waiting() {
    return Array.from({ length: this.cards ? 2 : this.#addresses ? 6 : 5 }, () => html`<span role="gridcell"><div class="skeleton"></div></span>`);
  }

  #cells(event: AuditEvent) {
    return html`
      <span role="gridcell" class="time">${instant(occurredAt(event), this.viewer.zone)}</span>
      ${this.#tenants ? html`<span role="gridcell">${event.tenant}</span>` : nothing}
      <span role="gridcell">${this.#actor(event)}</span>
      <span role="gridcell" class=${operationOf(event) === "delete" ? "delete" : ""}>${this.#value("action", event.action)}</span>
      <span role="gridcell" class="targets">${this.#target(event)}</span>
      ${this.#addresses ? html`<span role="gridcell" class="where quiet">${event.context?.ip === undefined ? nothing : this.#value("context.ip", event.context.ip)}</span>` : nothing}
      <span role="gridcell">${this.#result(event)}</span>`;
  }

  #card(event: AuditEvent) {
    return html`
      <span role="gridcell" class="who">${this.#actor(event)} <span class="quiet cut" dir="auto">${event.action}</span></span>
      <span role="gridcell" class="time">${this.#shortly(occurredAt(event))}</span>
      <span role="gridcell" class="targets">${this.#target(event)}</span>
      <span role="gridcell">${this.#result(event)}</span>`;
  }

  /** The day and the minute; with the year where it is another. */
  #shortly(at: string): string {
    const { zone } = this.viewer;
    const [text, now] = [instant(at, zone), instant(new Date().toISOString(), zone)];
    return text.slice(text.slice(0, 4) === now.slice(0, 4) ? 5 : 0, 16);
  }

  #actor(event: AuditEvent) {
    const { id, name, email, type } = event.actor;
    if (id) return this.#value("actor.id", id, name ?? email ?? id);
    if (name) return this.#value("actor.name", name);
    return email ? this.#value("actor.email", email) : type ? this.#value("actor.type", type) : nothing;
  }

  #target(event: AuditEvent) {
    const [target, ...more] = event.targets ?? [];
    if (!target) return nothing;
    const label = target.name ?? target.id ?? target.type ?? "";
    return html`${target.type && target.id ? html`<span class="quiet cut" dir="auto">${target.type}</span>` : nothing}
      ${target.id ? this.#value("targets.id", target.id, label, target.type ?? null) : html`<span class="cut" dir="auto">${label}</span>`}
      ${more.length ? html`<span class="quiet">${explorer(this.viewer.language).moreTargets(more.length)}</span>` : nothing}`;
  }

  #result(event: AuditEvent) {
    const result = event.outcome?.result;
    return result ? html`<span class="badge ${result}">${resultName(result, this.viewer.language)}</span>` : nothing;
  }

  /** A value that the mouse can use; for the keyboard the values stand in the open event. */
  #value(path: string, value: string, label = value, type: string | null = null) {
    return html`<button class="value" dir="auto" tabindex="-1" aria-haspopup="menu" aria-expanded="false" @click=${(event: Event) => this.#use(event, { path, value, type })}>${label}</button>`;
  }

  /** One menu does for all rows: an element of its own for each value would make them several times slower. */
  async #use(event: Event, used: Usable): Promise<void> {
    event.stopPropagation();
    const button = event.currentTarget as HTMLElement;
    await import("../value-menu.js");
    await this.renderRoot.querySelector("annals-value-menu")?.toggle(button, used);
  }

  #clicked(index: number): void {
    this.active = index;
    this.#pick(index);
  }

  #pick(index: number): void {
    const event = this.at(index);
    if (event) this.dispatchEvent(new CustomEvent("pick", { detail: event }));
  }

  readonly #scroll = (event: Event) => {
    const scroller = event.target as HTMLElement;
    this.#scrolledPx = scroller.scrollTop;
    const to = this.#window.scrolled(scroller.scrollTop, scroller.clientHeight, this.#rowPx);
    if (to === null) this.requestUpdate();
    else this.#scrollTo(to);
  };

  #key = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor((this.#seenPx ?? 0) / this.#rowPx) - 1);
    const to = {
      ArrowDown: this.active + 1, j: this.active + 1, ArrowUp: this.active - 1, k: this.active - 1,
      PageDown: this.active + page, PageUp: this.active - page, Home: 0, End: this.#count - 1,
    }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (to !== undefined) {
      event.preventDefault();
      // With an event open, moving on opens the next.
      this.goTo(Math.max(0, to), this.viewer.view.event !== null);
    } else if ((event.key === "Enter" || event.key === " ") && this.active >= 0) {
      event.preventDefault();
      this.#pick(this.active);
    }
  };
}

/** How a view names an open event: its id, and over all tenants its tenant before it. */
export function reference(viewer: Viewer, event: AuditEvent): string {
  const all = viewer.view.tenant === null && viewer.session?.tenant === null && event.tenant !== undefined;
  return all ? `${event.tenant}/${event.id}` : event.id;
}

/** The tenant and id of the event that a view has open. */
export function referred(viewer: Viewer): { tenant: string | null; id: string } | null {
  const { event, tenant } = viewer.view;
  if (event === null) return null;
  const slash = viewer.session?.tenant === null && tenant === null ? event.indexOf("/") : -1;
  return slash < 0 ? { tenant, id: event } : { tenant: event.slice(0, slash), id: event.slice(slash + 1) };
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-table": TableElement;
  }
}
