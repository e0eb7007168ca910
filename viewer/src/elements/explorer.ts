/** The one screen that answers the usual questions: what happened when, what it has in common, and each event of it. */

import { LitElement, type PropertyValues, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import type { ApiError } from "../api/client.js";
import type { AuditEvent } from "../api/types.js";
import { questionOf } from "../explorer/asked.js";
import { Finder } from "../explorer/finder.js";
import { BLOCK_ROWS, type Rows } from "../explorer/rows.js";
import { icons } from "../icons.js";
import { later } from "../later.js";
import { LiveTail } from "../live.js";
import { common } from "../text/common.js";
import { explorer } from "../text/explorer.js";
import { base } from "../theme.js";
import { ALL_TIME, bounds, sameRange } from "../view/time.js";
import type { View } from "../view/view.js";
import { type Viewer, Watch } from "../viewer.js";
import "./explorer/chips.js";
import type { Zoom } from "./explorer/histogram.js";
import "./explorer/search-box.js";
import type { SearchBoxElement } from "./explorer/search-box.js";
import { type TableElement, reference, referred } from "./explorer/table.js";
import "./explorer/table.js";
import "./explorer/time-range.js";
import "./live-bar.js";

/** Events that came while the page was open and stand above the others; older ones of them give way to a fresh answer. */
const FRESH_MAX = 500;

/** While events come, counts follow at most so often. */
const RECOUNT_MS = 5_000;

/** A question that failed for want of an answer is asked again after so long. */
const ASK_AGAIN_MS = 5_000;

/** What stands around the rows: half of the script. */
const around = () => Promise.all([import("./explorer/histogram.js"), import("./explorer/facets.js")]);

/** What an open event needs. */
const panel = () => import("./event/event.js");

/** `<annals-explorer .viewer>`; fires `shown` once the first rows stand, or it is known why there are none. */
@customElement("annals-explorer")
export class ExplorerElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @state() private version = 0;
  @state() private fresh: AuditEvent[] = [];
  @state() private facetsShown = false;
  @state() private opened: AuditEvent | null = null;
  /** The event that is open is none of those found. */
  @state() private elsewhere = false;
  /** The event that is open, once it is loaded, and the rows among which it was brought into view. */
  #loadedEvent: AuditEvent | null = null;
  #placedIn: Rows | null = null;
  protected readonly watch = new Watch(this);
  #finder: Finder | null = null;
  #tail: LiveTail | null = null;
  /** What was asked last, and what only changes how it is counted. */
  #asked = "";
  #counted = "";
  #recounting: ReturnType<typeof setTimeout> | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  #restFetched = false;
  /** Views before zooming in, to zoom out to. */
  #zoomed: View["range"][] = [];

  static override styles = [
    base,
    css`
      :host { display: flex; flex-direction: column; min-height: 0; height: 100%; container-type: inline-size; }
      .bar { display: flex; flex-wrap: wrap; gap: 8px; padding: 10px 12px 8px; align-items: flex-start; }
      .tools { display: flex; flex-wrap: wrap; gap: 6px; }
      annals-chips { padding: 0 12px 8px; }
      annals-chips:empty { display: block; }
      /* What comes a moment later has its place already. */
      annals-histogram:not(:defined) { display: block; height: 156px; }
      annals-views:not(:defined), annals-export:not(:defined) { width: 90px; height: 30px; }
      .histogram { padding: 0 12px 6px; border-bottom: 1px solid var(--line); }
      .main { flex: 1; min-height: 0; display: grid; grid-template-columns: 236px minmax(0, 1fr); }
      .main.with-event { grid-template-columns: 236px minmax(0, 1fr) minmax(340px, 40%); }
      annals-facets { min-height: 0; border-inline-end: 1px solid var(--line); padding-inline-start: 8px; }
      .found { min-height: 0; min-width: 0; display: flex; flex-direction: column; }
      .count { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 12px; padding: 5px 12px; border-bottom: 1px solid var(--line); font-size: 13px; min-height: 38px; }
      .count strong { font-variant-numeric: tabular-nums; }
      .count .end { margin-inline-start: auto; display: flex; gap: 6px; align-items: center; }
      annals-table { flex: 1; min-height: 0; }
      annals-event { min-height: 0; overflow: auto; border-inline-start: 1px solid var(--line); background: var(--ground); }
      .state { flex: 1; display: grid; place-content: center; justify-items: center; gap: 10px; padding: 32px 20px; text-align: center; overflow-wrap: anywhere; }
      .state p { margin: 0; max-width: 52ch; color: var(--text-2); }
      .state h2 { font-size: 16px; }
      .state .actions { display: flex; gap: 8px; flex-wrap: wrap; justify-content: center; }
      .note { padding: 6px 12px; background: var(--warn-ground); color: var(--text); border-bottom: 1px solid var(--line); font-size: 13px; display: flex; gap: 8px; align-items: center; }
      .facets-button { display: none; }
      @container (max-width: 1180px) {
        .main.with-event { grid-template-columns: minmax(0, 1fr) minmax(340px, 46%); }
        .main.with-event annals-facets { display: none; }
      }
      @container (max-width: 860px) {
        .main, .main.with-event { grid-template-columns: minmax(0, 1fr); position: relative; }
        annals-facets { display: none; }
        .facets-button { display: inline-flex; }
        .count { height: 48px; }
        /* Below the line with the button that hides them again. */
        .main.facets-shown annals-facets { display: block; position: absolute; inset: 48px 0 0; z-index: 5; background: var(--ground); border: 0; padding: 8px; }
        .main.with-event annals-event { position: fixed; inset: 0; z-index: 30; border: 0; }
        .bar { padding: 8px 6px; }
        annals-chips { padding-inline: 8px; }
        .histogram { padding-inline: 8px; }
      }
      @container (max-width: 620px) { .tools { width: 100%; flex-wrap: nowrap; gap: 2px; overflow-x: auto; scrollbar-width: none; padding: 3px; margin: -3px; } .tools > * { flex: none; } }
      @media (max-height: 560px) { .histogram { display: none; } }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("keydown", this.#shortcut);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener("keydown", this.#shortcut);
    clearTimeout(this.#recounting);
    clearTimeout(this.#again);
    this.#tail?.stop();
    this.#finder?.end();
    this.#asked = "";
  }

  protected override willUpdate(changed: PropertyValues): void {
    // Whoever signed out is asked for no more.
    if (!this.isConnected) return;
    if (changed.has("viewer") && this.viewer) this.#begin();
    const { view, zone } = this.viewer;
    const asked = questionOf(view);
    const counted = JSON.stringify([view.split, zone]);
    if (asked !== this.#asked) {
      this.#ask();
    } else if (counted !== this.#counted) {
      this.#finder?.count(view);
    }
    this.#asked = asked;
    this.#counted = counted;
    if (view.event === null) {
      this.opened = null;
      this.#loadedEvent = null;
      this.elsewhere = false;
    } else void panel();
    this.#follow();
  }

  #begin(): void {
    this.#finder?.end();
    this.#tail?.stop();
    this.#asked = "";
    this.#finder = new Finder(this.viewer);
    this.#finder.addEventListener("change", () => {
      this.version += 1;
      if (!this.#finder?.loading) this.#fetchRest();
      void this.#place();
      this.#askAgain(this.#finder?.error ?? null);
    });
    this.#tail = new LiveTail(this.viewer.api);
    this.#tail.addEventListener("events", (event) => this.#came((event as CustomEvent<AuditEvent[]>).detail));
    this.#tail.addEventListener("state", () => this.requestUpdate());
  }

  /** What is not needed before the first rows stand. */
  #fetchRest(): void {
    if (this.#restFetched) return;
    this.#restFetched = true;
    requestAnimationFrame(() => void around());
    this.dispatchEvent(new Event("shown"));
    later([panel, () => import("./export-dialog.js"), () => import("./saved-views.js")]);
  }

  #ask(): void {
    clearTimeout(this.#recounting);
    clearTimeout(this.#again);
    this.fresh = [];
    this.facetsShown = false;
    this.#tail?.stop();
    this.#finder?.ask(this.viewer.view);
  }

  /** What found no answer is asked again by itself. */
  #askAgain(error: ApiError | null): void {
    clearTimeout(this.#again);
    if (error && (error.status === 0 || error.status === 429)) {
      this.#again = setTimeout(() => this.#ask(), error.retryAfter ? error.retryAfter * 1000 : ASK_AGAIN_MS);
    }
  }

  /** Follows, once the page that is followed on from is there. */
  #follow(): void {
    const { view } = this.viewer;
    const wanted = view.live && LiveTail.follows(view);
    const tail = this.#tail;
    if (!tail) return;
    if (!wanted && tail.state.name !== "off") tail.stop();
    if (wanted && tail.state.name === "off" && this.#finder?.rows) tail.start(view, this.#finder.rows.size);
  }

  #came(events: AuditEvent[]): void {
    this.viewer.learn(events);
    const all = [...events].reverse().concat(this.fresh);
    if (all.length > FRESH_MAX) {
      this.#ask();
      return;
    }
    this.fresh = all;
    if (this.#recounting !== undefined) return;
    this.#recounting = setTimeout(() => {
      this.#recounting = undefined;
      this.#finder?.count(this.viewer.view);
    }, RECOUNT_MS);
  }

  override render() {
    const { viewer } = this;
    const { view } = viewer;
    const t = explorer(viewer.language);
    const finder = this.#finder;
    const open = view.event !== null;
    return html`
      <div class="bar" @edit=${(event: CustomEvent<string>) => this.#search.edit(event.detail)}>
        <annals-search-box .viewer=${viewer}></annals-search-box>
        <div class="tools">
          <annals-time-range .viewer=${viewer}></annals-time-range>
          ${LiveTail.follows(view) ? html`<annals-live-bar .viewer=${viewer} .tail=${this.#tail}></annals-live-bar>` : nothing}
          ${viewer.can.views ? html`<annals-views .viewer=${viewer}></annals-views>` : nothing}
          <annals-export .viewer=${viewer} .total=${finder?.summary?.total ?? null}></annals-export>
        </div>
      </div>
      <annals-chips .viewer=${viewer} @edit=${(event: CustomEvent<string>) => this.#search.edit(event.detail)}></annals-chips>
      <div class="histogram">
        <annals-histogram .viewer=${viewer} .summary=${finder?.summary ?? null} .span=${finder?.span ?? null} ?busy=${finder?.counting ?? true}
          @zoom=${this.#zoom} @zoom-out=${this.#zoomOut}></annals-histogram>
      </div>
      ${finder?.countError && !finder.error ? html`<div class="note" role="status">${icons.warn} ${this.#words(finder.countError)[0]}. ${this.#words(finder.countError)[1]}</div>` : nothing}
      <div class="main ${open ? "with-event" : ""} ${this.facetsShown ? "facets-shown" : ""}">
        <annals-facets .viewer=${viewer} .counts=${finder?.facets ?? {}} .version=${this.version} ?busy=${finder?.counting ?? true} aria-label=${t.facets}></annals-facets>
        <section class="found" aria-label=${t.events}>${this.#count()} ${this.#found()}</section>
        ${open
          ? html`<annals-event .viewer=${viewer} .eventId=${referred(viewer)?.id ?? ""} .tenant=${referred(viewer)?.tenant ?? null} .event=${this.opened}
              @loaded=${this.#loaded} @close=${this.#close} @step=${(event: CustomEvent<number>) => this.#step(event.detail)}></annals-event>`
          : nothing}
      </div>`;
  }

  #count() {
    const t = explorer(this.viewer.language);
    const finder = this.#finder;
    const rows = finder?.rows;
    const total = rows ? rows.total + this.fresh.length : null;
    return html`<div class="count">
      <strong role="status">${total === null || (rows?.open && finder?.counting) ? "…" : rows?.open ? t.atLeast(rows.total - BLOCK_ROWS) : t.total(total)}</strong>
      ${this.#zoomed.length ? html`<button class="plain" @click=${this.#zoomOut}>${t.zoomOut}</button>` : nothing}
      <span class="end">
        <button class="facets-button" aria-expanded=${this.facetsShown} @click=${() => (this.facetsShown = !this.facetsShown)}>${icons.filter} ${t.showFacets}</button>
        <button class="plain" title="r" @click=${() => this.#ask()}>${t.refresh}</button>
      </span>
    </div>`;
  }

  #found() {
    const finder = this.#finder;
    if (finder?.error && (!finder.rows || finder.error.status !== 0)) return this.#failed(finder.error);
    if (finder?.rows && finder.rows.total === 0 && this.fresh.length === 0 && !finder.loading) return this.#empty();
    const note = finder?.error ? html`<div class="note" role="alert">${icons.warn} ${common(this.viewer.language).unreachable}. ${common(this.viewer.language).unreachableHelp}</div>` : nothing;
    return html`${note}${this.elsewhere ? this.#elsewhere() : nothing}<annals-table .viewer=${this.viewer} .rows=${finder?.rows ?? null} .fresh=${this.fresh} .version=${this.version} ?busy=${finder?.loading ?? true}
      @pick=${(event: CustomEvent<AuditEvent>) => this.#open(event.detail)}></annals-table>`;
  }

  #elsewhere() {
    const t = explorer(this.viewer.language);
    const widen = () => this.viewer.patch({ range: ALL_TIME, terms: [], q: "", filter: "" });
    return html`<div class="note" role="status">${icons.warn} ${t.openElsewhere} <button class="plain" @click=${widen}>${t.showAmongAll}</button></div>`;
  }

  #empty() {
    const { viewer } = this;
    const t = explorer(viewer.language);
    const { view } = viewer;
    const narrowed = view.terms.length > 0 || view.q !== "" || view.filter !== "";
    const all = sameRange(view.range, ALL_TIME);
    const nothingYet = all && !narrowed;
    return html`<div class="state">
      <h2>${nothingYet ? t.emptyLog : t.emptyTitle}</h2>
      <p>${nothingYet ? t.emptyLogHelp : t.emptyHelp}</p>
      <div class="actions">
        ${all ? nothing : html`<button class="primary" @click=${() => viewer.patch({ range: ALL_TIME })}>${t.widen}</button>`}
        ${narrowed ? html`<button @click=${() => viewer.patch({ terms: [], q: "", filter: "" })}>${t.dropFilters}</button>` : nothing}
      </div>
    </div>`;
  }

  #failed(error: ApiError) {
    const c = common(this.viewer.language);
    const [title, help] = this.#words(error);
    return html`<div class="state" role="alert">
      <h2>${title}</h2><p>${help}</p>
      ${error.problem.request_id ? html`<p class="mono">${c.requestId(error.problem.request_id)}</p>` : nothing}
      <div class="actions"><button class="primary" @click=${() => this.#ask()}>${c.retry}</button></div>
    </div>`;
  }

  /** What went wrong, and what can be done. */
  #words(error: ApiError): [string, string] {
    const c = common(this.viewer.language);
    if (error.status === 0) return [c.unreachable, c.unreachableHelp];
    if (error.status === 403) return [c.noPermission, `${c.noPermissionHelp} (${error.message})`];
    if (error.code === "busy") return [c.tooSlow, `${c.tooSlowHelp} ${error.message}`];
    return [c.failed, error.message];
  }

  get #table(): TableElement | null {
    return this.renderRoot.querySelector("annals-table");
  }

  get #search(): SearchBoxElement {
    return this.renderRoot.querySelector("annals-search-box") as SearchBoxElement;
  }

  #open(event: AuditEvent): void {
    this.opened = event;
    this.viewer.patch({ event: reference(this.viewer, event) }, this.viewer.view.event !== null);
  }

  readonly #loaded = ({ detail }: CustomEvent<AuditEvent>) => {
    this.elsewhere = false;
    this.#loadedEvent = detail;
    // What was opened from its row stands before whoever opened it.
    this.#placedIn = this.opened?.id === detail.id ? (this.#finder?.rows ?? null) : null;
    void this.#place();
  };

  /** Brings the event that is open into view, where a link opened it or other rows came. */
  async #place(): Promise<void> {
    const event = this.#loadedEvent;
    const rows = this.#finder?.rows;
    if (!event || !rows || this.#finder?.loading || rows === this.#placedIn) return;
    this.#placedIn = rows;
    const at = await rows.placeOf(event).catch(() => -1);
    if (rows !== this.#finder?.rows || referred(this.viewer)?.id !== event.id) return;
    this.elsewhere = at < 0;
    await this.updateComplete;
    // As high as all rows that are known by now.
    await this.#table?.updateComplete;
    if (at >= 0) this.#table?.goTo(at + this.fresh.length);
  }

  #close = () => {
    this.viewer.patch({ event: null });
    this.#table?.focus();
  };

  #step(by: number): void {
    const open = referred(this.viewer);
    const at = open ? (this.#table?.indexOf(open.id, open.tenant) ?? -1) : -1;
    if (at >= 0) this.#table?.goTo(at + by, true);
  }

  #zoom = (event: CustomEvent<Zoom>) => {
    this.#zoomed.push(this.viewer.view.range);
    this.viewer.patch({ range: event.detail, live: false });
  };

  #zoomOut = () => {
    const range = this.#zoomed.pop() ?? this.#wider();
    this.viewer.patch({ range });
  };

  /** Three times the stretch, about its middle. */
  #wider(): View["range"] {
    const { since, until } = bounds(this.viewer.view.range);
    if (!since) return ALL_TIME;
    const [from, to] = [Date.parse(since), until ? Date.parse(until) : Date.now()];
    const length = to - from;
    const end = to + length;
    return { since: new Date(from - length).toISOString(), until: end >= Date.now() ? null : new Date(end).toISOString() };
  }

  readonly #shortcut = (event: KeyboardEvent) => {
    const inside = event.composedPath()[0] as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(inside.tagName) || inside.isContentEditable) return;
    // Where a product embeds it, keys pressed elsewhere on its page are the page's.
    if (!event.composedPath().includes(this) && inside !== document.body) return;
    const run = {
      "/": () => this.#search.focus(),
      r: () => this.#ask(),
      l: () => LiveTail.follows(this.viewer.view) && this.viewer.patch({ live: !this.viewer.view.live }),
      e: () => this.renderRoot.querySelector<HTMLElement & { show?(): void }>("annals-export")?.show?.(),
      Escape: () => this.viewer.view.event !== null && this.#close(),
      ArrowDown: () => this.#table?.focus(),
    }[event.key];
    if (!run || event.defaultPrevented) return;
    event.preventDefault();
    run();
  };
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-explorer": ExplorerElement;
  }
}
