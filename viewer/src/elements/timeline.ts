/** What happened around somebody or something, newest first, day by day. */

import { LitElement, type PropertyValues, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { type ApiError } from "../api/client.js";
import { type AuditEvent, type EventsPage, occurredAt, operationOf } from "../api/types.js";
import { asApiError } from "../explorer/finder.js";
import { icons } from "../icons.js";
import { common } from "../text/common.js";
import { resultName } from "../text/explorer.js";
import { pagesText } from "../text/pages.js";
import { base } from "../theme.js";
import { instant } from "../view/time.js";
import { type Viewer, Watch } from "../viewer.js";
import { reference } from "./explorer/table.js";
import { failure } from "./pages/asked.js";
import { dayName, dayOf } from "./pages/layout.js";

const PAGE = 100;

/** Most that are drawn at once; older ones then take the place of these. */
const ROWS_MAX = 1_000;

/**
 * `<annals-timeline .viewer .params .actor>`: all that `params` finds; with `actor` (an id) each is marked as done by, to, or on behalf of
 * that actor. Fires `pick` with an event that was opened, `first` with the newest event and the total.
 */
@customElement("annals-timeline")
export class TimelineElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property({ attribute: false }) params = new URLSearchParams();
  @property({ attribute: false }) actor: string | null = null;
  @state() private rows: AuditEvent[] = [];
  @state() private error: ApiError | null = null;
  @state() private loading = false;
  /** The newest ones gave way to older ones. */
  @state() private later = false;
  protected readonly watch = new Watch(this);
  #next: string | null = null;
  #partial = false;
  #asked = "";
  #asking: AbortController | null = null;
  #seen: IntersectionObserver | null = null;
  #active = 0;
  #opened: string | null = null;

  static override styles = [
    base,
    css`
      :host { display: block; min-width: 0; container-type: inline-size; }
      ol { list-style: none; margin: 0; padding: 0; }
      h3 { position: sticky; top: 0; z-index: 1; padding: 10px 0 5px; background: var(--ground); font-size: 13px; color: var(--text-2); border-bottom: 1px solid var(--line); }
      li { border-bottom: 1px solid var(--line); content-visibility: auto; contain-intrinsic-size: auto 44px; }
      li button {
        display: grid; grid-template-columns: 64px minmax(0, 1fr) auto; gap: 2px 12px; width: 100%; padding: 7px 6px; border: 0; border-radius: 0; background: none; align-items: baseline;
      }
      li button:hover { background: var(--ground-2) !important; }
      li button.open { background: var(--accent-ground); box-shadow: inset 3px 0 0 var(--accent); }
      li button:focus-visible { outline-offset: -2px; }
      time { color: var(--text-2); font-size: 13px; font-variant-numeric: tabular-nums; }
      .what { min-width: 0; overflow-wrap: anywhere; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
      .code { color: var(--text-2); font-size: 12px; }
      .delete { color: var(--bad); }
      .marks { display: flex; gap: 4px; flex-wrap: wrap; justify-content: flex-end; }
      .mark { padding: 0 7px; border-radius: 99px; font-size: 12px; line-height: 20px; white-space: nowrap; color: var(--text-2); background: var(--ground-3); }
      .mark.to { color: var(--accent); background: var(--accent-ground); }
      .mark.for { color: var(--text); background: var(--warn-ground); }
      .mark.failure { color: var(--bad); background: var(--bad-ground); } .mark.denied { color: var(--warn); background: var(--warn-ground); }
      .end { padding: 14px 6px; color: var(--text-2); display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: center; }
      .skeleton { height: 14px; border-radius: 4px; background: var(--ground-3); margin: 15px 6px; }
      .trouble { display: grid; justify-items: start; gap: 6px; padding: 14px; margin: 12px 0; border: 1px solid var(--bad); border-radius: var(--radius); background: var(--bad-ground); overflow-wrap: anywhere; }
      @container (max-width: 520px) {
        li button { grid-template-columns: 46px minmax(0, 1fr); padding-inline: 2px; }
        .marks { grid-column: 2; justify-content: flex-start; }
      }
    `,
  ];

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#asking?.abort();
    this.#seen?.disconnect();
    this.#seen = null;
    this.#asked = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.requestUpdate();
  }

  protected override willUpdate(): void {
    const asked = this.params.toString();
    if (asked !== this.#asked) this.#begin(asked);
  }

  protected override updated(_changed: PropertyValues): void {
    this.#seen ??= new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.#more(), { rootMargin: "600px" });
    this.#seen.disconnect();
    const sentinel = this.renderRoot.querySelector(".more");
    if (sentinel) this.#seen.observe(sentinel);
    const { event } = this.viewer.view;
    if (event === this.#opened) return;
    this.#opened = event;
    // The open event takes room beside the page: what was picked stays in sight.
    if (event !== null) requestAnimationFrame(() => this.renderRoot.querySelector(".open")?.scrollIntoView({ block: "nearest" }));
  }

  #begin(asked: string): void {
    this.#asked = asked;
    this.rows = [];
    this.later = false;
    this.#next = null;
    this.#active = 0;
    void this.#load();
  }

  #more(): void {
    if (!this.loading && !this.error && this.#next && this.rows.length < ROWS_MAX) void this.#load();
  }

  async #load(): Promise<void> {
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    this.loading = true;
    this.error = null;
    try {
      const params = new URLSearchParams(this.params);
      params.set("limit", String(PAGE));
      params.set("partial", "true");
      if (this.#next) params.set("cursor", this.#next);
      else params.set("total", "true");
      const first = this.#next === null;
      const page = await this.viewer.api.json<EventsPage>("/v1/events", first ? params : cursorOnly(params), { signal: asking.signal });
      this.viewer.learn(page.events);
      this.rows = [...this.rows, ...page.events];
      this.#next = page.next;
      this.#partial = page.partial === true;
      if (first) this.dispatchEvent(new CustomEvent("first", { detail: { event: page.events[0] ?? null, total: page.total ?? null } }));
    } catch (error) {
      if (asking.signal.aborted) return;
      this.error = asApiError(error);
    }
    this.loading = false;
  }

  /** Goes to the event before or after the open one, and opens it. */
  step(by: number): void {
    const open = this.rows.findIndex((event) => reference(this.viewer, event) === this.viewer.view.event);
    const event = this.rows[open + by];
    if (open < 0 || !event) return;
    this.#focus(open + by);
    this.#pick(event);
  }

  override render() {
    const t = pagesText(this.viewer.language);
    const days: [string, [AuditEvent, number][]][] = [];
    this.rows.forEach((event, index) => {
      const day = dayOf(event, this.viewer.zone);
      if (days.at(-1)?.[0] !== day) days.push([day, []]);
      days.at(-1)?.[1].push([event, index]);
    });
    return html`
      ${this.later ? html`<div class="end"><button @click=${() => this.#begin(this.#asked)}>${icons.up}${t.newest}</button></div>` : nothing}
      <div @keydown=${this.#key}>
        ${days.map(([day, events]) => html`<h3>${dayName(day, this.viewer.language)}</h3><ol>${events.map(([event, index]) => this.#row(event, index))}</ol>`)}
      </div>
      ${this.#end()}`;
  }

  #row(event: AuditEvent, index: number) {
    const open = this.viewer.view.event !== null && this.viewer.view.event === reference(this.viewer, event);
    const time = instant(occurredAt(event), this.viewer.zone);
    return html`<li><button data-index=${index} class=${open ? "open" : ""} aria-current=${open ? "true" : nothing} tabindex=${index === this.#active ? 0 : -1} @click=${() => this.#pick(event, index)}>
      <time datetime=${occurredAt(event)} title=${time}>${time.slice(11, 16)}<span class="unseen">${time.slice(16)}</span></time>
      <span class="what"><bdi>${this.#sentence(event)}</bdi> <bdi class="code mono ${operationOf(event) === "delete" ? "delete" : ""}">${event.action}</bdi></span>
      <span class="marks">${this.#marks(event)}</span>
    </button></li>`;
  }

  /** What happened, in the client's own words where it has some. */
  #sentence(event: AuditEvent): string {
    if (event.description) return event.description;
    const who = event.actor.name ?? event.actor.email ?? event.actor.id ?? event.actor.type ?? "";
    const what = (event.targets ?? []).map((target) => target.name ?? target.id ?? target.type ?? "").filter(Boolean);
    return what.length ? `${who} → ${what.slice(0, 3).join(", ")}${what.length > 3 ? ` +${what.length - 3}` : ""}` : who;
  }

  #marks(event: AuditEvent) {
    const t = pagesText(this.viewer.language);
    const result = event.outcome?.result;
    const bad = result === "failure" || result === "denied" ? html`<span class="mark ${result}">${resultName(result, this.viewer.language)}</span>` : nothing;
    if (this.actor === null) return bad;
    const did = event.actor.id === this.actor;
    const done = event.targets?.some((target) => target.id === this.actor);
    const behalf = event.actor.chain?.some((link) => link.id === this.actor);
    return html`${bad}${did ? html`<span class="mark">${t.did}</span>` : nothing}${done ? html`<span class="mark to">${t.doneTo}</span>` : nothing}${behalf
      ? html`<span class="mark for">${t.onBehalf}</span>` : nothing}`;
  }

  #end() {
    const t = pagesText(this.viewer.language);
    if (this.error) return failure(this.error, this.viewer.language, () => void this.#load());
    if (this.loading) {
      const lines = this.rows.length ? 2 : 8;
      return html`<div role="status"><span class="unseen">${common(this.viewer.language).loading}</span>${Array.from({ length: lines }, () => html`<div class="skeleton"></div>`)}</div>`;
    }
    if (this.#next === null) return this.rows.length ? html`<div class="end">${t.end}</div>` : nothing;
    if (this.rows.length >= ROWS_MAX || this.#partial) {
      return html`<div class="end"><button @click=${this.#older}>${icons.down}${t.older}</button><span>${this.#partial ? t.incomplete : t.shown(ROWS_MAX)}</span></div>`;
    }
    return html`<div class="more skeleton"></div>`;
  }

  readonly #older = async () => {
    if (this.rows.length >= ROWS_MAX) {
      this.rows = [];
      this.later = true;
      this.#active = 0;
    }
    await this.#load();
    await this.updateComplete;
    if (this.later && this.rows.length <= PAGE) this.#focus(0);
  };

  #pick(event: AuditEvent, index: number | null = null): void {
    if (index !== null) this.#active = index;
    this.dispatchEvent(new CustomEvent("pick", { detail: event }));
  }

  #focus(index: number): void {
    this.#active = Math.max(0, Math.min(index, this.rows.length - 1));
    this.requestUpdate();
    this.renderRoot.querySelector<HTMLElement>(`[data-index="${this.#active}"]`)?.focus();
  }

  /** Brings the keyboard back to where it was. */
  override focus(): void {
    this.#focus(this.#active);
  }

  readonly #key = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = { ArrowDown: this.#active + 1, ArrowUp: this.#active - 1, PageDown: this.#active + 10, PageUp: this.#active - 10, Home: 0, End: this.rows.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#focus(to);
    const row = this.rows[this.#active];
    // With an event open, moving on opens the next.
    if (this.viewer.view.event !== null && row) this.#pick(row);
  };
}

/** With a cursor the conditions need not be sent again. */
function cursorOnly(params: URLSearchParams): URLSearchParams {
  return new URLSearchParams(["cursor", "limit", "partial"].map((name) => [name, params.get(name) ?? ""]));
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-timeline": TimelineElement;
  }
}
