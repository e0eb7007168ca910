/** One event beside the table: what happened, what changed, what it belongs to, and its proof. */

import { LitElement, type PropertyValues, css, html, nothing } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { ApiError } from "../../api/client.js";
import type { AuditEvent, EventsPage } from "../../api/types.js";
import { icons } from "../../icons.js";
import { type Exact, parseExact, pretty } from "../../proof/json.js";
import { common } from "../../text/common.js";
import { eventText } from "../../text/event.js";
import { base } from "../../theme.js";
import { instant, offsetName } from "../../view/time.js";
import { formatView } from "../../view/view.js";
import { type Viewer, Watch } from "../../viewer.js";
import {
  TARGETS_MORE, TARGETS_SHOWN, aboutFacts, actorFacts, contextFacts, factStyles, metadataFacts, otherFacts, outcomeFacts, requestFacts, scopeFacts,
  section, sourceFacts, targetFacts, traceFacts,
} from "./facts.js";
import { copyText, curl, occurredAt, sentence } from "./sentence.js";
import { relationsOf } from "./related.js";
import "./changes.js";
import "./json-tree.js";
import "./proof.js";

const TABS = ["overview", "json"] as const;
type Tab = (typeof TABS)[number];

/** Characters of the sentence before somebody asks for the rest. */
const SENTENCE_CHARACTERS = 400;

/** Entries that erased something whose dates are asked for. */
const ERASURES_MAX = 5;

/**
 * `<annals-event .viewer .eventId .tenant .event>`: loads the event; one that is given is shown meanwhile.
 *
 * Fires `close`, `loaded` with the event once it is there, and `step` with 1 for the next event of the table and -1 for the one before.
 */
@customElement("annals-event")
export class EventElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property({ attribute: false }) eventId = "";
  @property({ attribute: false }) tenant: string | null = null;
  /** As a list gave it. */
  @property({ attribute: false }) event: AuditEvent | null = null;
  /** As it was loaded, with all digits of its numbers. */
  @state() private loaded: AuditEvent | null = null;
  @state() private failed: ApiError | null = null;
  @state() private tab: Tab = "overview";
  @state() private targetsShown = TARGETS_SHOWN;
  @state() private allText = false;
  @state() private copying = false;
  @state() private said = "";
  /** When each entry that erased something was recorded. */
  @state() private erasedAt = new Map<number, string>();
  @query("h2") private heading!: HTMLElement | null;
  #loading: AbortController | null = null;
  protected readonly watch = new Watch(this);

  static override styles = [
    base,
    factStyles,
    css`
      :host { display: block; position: relative; container-type: inline-size; overflow: auto; background: var(--ground); scroll-padding-top: 52px; }
      .bar { position: sticky; inset-block-start: 0; z-index: 3; display: flex; gap: 4px; align-items: center; padding: 6px 10px; background: var(--ground); border-bottom: 1px solid var(--line); }
      .bar .space { flex: 1; min-width: 0; }
      .copy { position: relative; }
      .menu { position: absolute; inset-inline-end: 0; inset-block-start: calc(100% + 4px); z-index: 4; display: grid; min-width: 170px; padding: 4px; border: 1px solid var(--line); border-radius: var(--radius); background: var(--ground); box-shadow: var(--shadow); }
      .menu button { border: 0; background: none; white-space: nowrap; }
      .menu button:hover, .menu button:focus-visible { background: var(--ground-3); }
      header { padding: 14px 16px 12px; }
      h2 { font-size: 17px; line-height: 1.35; font-weight: 600; overflow-wrap: anywhere; text-wrap: pretty; outline-offset: 4px; }
      .under { display: flex; flex-wrap: wrap; gap: 6px 10px; align-items: center; margin-top: 8px; }
      .action { min-width: 0; }
      details.times { min-width: 0; }
      .times > summary { cursor: pointer; color: var(--text-2); font-variant-numeric: tabular-nums; border-radius: 4px; }
      .times dl { margin-top: 6px; font-size: 13px; grid-template-columns: max-content minmax(0, 1fr); }
      .badge { display: inline-flex; gap: 4px; align-items: center; padding: 1px 8px 1px 5px; border-radius: 10px; font-size: 12px; font-weight: 600; background: var(--ground-3); white-space: nowrap; }
      .badge svg { width: 13px; height: 13px; }
      .badge.success { background: var(--good-ground); color: var(--good); }
      .badge.failure { background: var(--bad-ground); color: var(--bad); }
      .badge.denied { background: var(--warn-ground); color: var(--warn); }
      .tabs { display: flex; gap: 2px; padding: 0 12px; }
      .tabs button { border: 0; border-radius: 0; background: none; color: var(--text-2); border-bottom: 2px solid transparent; }
      .tabs button[aria-selected="true"] { color: var(--text); border-bottom-color: var(--accent); font-weight: 600; }
      .erased { margin: 0 16px 12px; padding: 8px 12px; border-radius: var(--radius); background: var(--warn-ground); border: 1px solid color-mix(in srgb, var(--warn) 45%, var(--ground)); font-size: 13px; }
      .erased p { margin: 2px 0 0; }
      pre { margin: 0; padding: 12px 16px; border-top: 1px solid var(--line); white-space: pre-wrap; overflow-wrap: anywhere; font: 12.5px/1.5 var(--mono); tab-size: 2; unicode-bidi: plaintext; }
      .json-tools { display: flex; flex-wrap: wrap; gap: 8px; padding: 10px 16px; border-top: 1px solid var(--line); }
      .state { display: grid; justify-items: start; gap: 8px; padding: 28px 20px; max-width: 52ch; overflow-wrap: anywhere; }
      .state p { margin: 0; color: var(--text-2); }
      .skeleton { padding: 16px; display: grid; gap: 10px; }
      .skeleton i { display: block; height: 13px; border-radius: 4px; background: var(--ground-3); animation: breathe 1.4s ease-in-out infinite; }
      .skeleton i:nth-child(1) { height: 20px; width: 82%; } .skeleton i:nth-child(2) { width: 46%; margin-bottom: 18px; }
      .skeleton i:nth-child(3n) { width: 64%; } .skeleton i:nth-child(3n + 1) { width: 76%; } .skeleton i:nth-child(3n + 2) { width: 52%; }
      @keyframes breathe { 50% { opacity: 0.45; } }
    `,
  ];

  constructor() {
    super();
    this.addEventListener("keydown", this.#key);
  }

  /** What is shown: what was loaded, or until then what a list gave. */
  get #shown(): AuditEvent | null {
    return this.loaded ?? (this.event?.id === this.eventId ? this.event : null);
  }

  override willUpdate(changed: PropertyValues<this>) {
    if (!changed.has("eventId") && !changed.has("tenant")) return;
    this.loaded = null;
    this.failed = null;
    this.targetsShown = TARGETS_SHOWN;
    this.allText = false;
    this.copying = false;
    this.said = "";
    this.erasedAt = new Map();
    this.scrollTop = 0;
    void this.#load();
  }

  override connectedCallback() {
    super.connectedCallback();
    if (this.hasUpdated && !this.loaded) void this.#load();
  }

  override disconnectedCallback() {
    super.disconnectedCallback();
    this.#loading?.abort();
  }

  /** Moves the focus to what happened. */
  override focus() {
    this.heading?.focus();
  }

  override render() {
    const event = this.#shown;
    return html`${this.#bar(event)}${this.failed ? this.#refused(this.failed) : event ? this.#event(event) : this.#skeleton()}`;
  }

  // ── loading ──────────────────────────────────────────────────────────────────────────────────

  async #load() {
    this.#loading?.abort();
    if (!this.eventId) return;
    const { signal } = (this.#loading = new AbortController());
    this.failed = null;
    try {
      const event = await this.#ask(signal);
      if (signal.aborted) return;
      this.viewer.learn([event]);
      this.loaded = event;
      this.dispatchEvent(new CustomEvent("loaded", { detail: event }));
      await this.#dateErasures(event, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.failed = error instanceof ApiError ? error : new ApiError(-1, { code: "failed", detail: String(error) }, null);
    }
  }

  async #ask(signal: AbortSignal): Promise<AuditEvent> {
    const { api, view } = this.viewer;
    const asking = { signal, headers: { accept: "application/json" } };
    if (view.page !== "access") return parseExact(await api.text(`/v1/events/${encodeURIComponent(this.eventId)}`, { tenant: this.tenant }, asking));
    const params = { tenant: this.tenant, log: "access", filter: `id eq ${JSON.stringify(this.eventId)}`, limit: 1 };
    const page = parseExact<EventsPage>(await api.text("/v1/events", params, asking));
    return page.events[0] ?? Promise.reject(new ApiError(404, { code: "event_unknown" }, null));
  }

  /** When the entries that erased something of the event were recorded; the event is shown without it too. */
  async #dateErasures(event: AuditEvent, signal: AbortSignal) {
    for (const position of (event.derived?.erased ?? []).slice(0, ERASURES_MAX)) {
      try {
        const params = { from: position, limit: 1, tenant: this.tenant };
        const { records } = await this.viewer.api.json<{ records: AuditEvent[] }>("/v1/feed", params, { signal });
        const at = records.find((record) => record.position === position)?.received_at;
        if (at) this.erasedAt = new Map(this.erasedAt).set(position, at);
      } catch {
        return;
      }
    }
  }

  // ── drawing ──────────────────────────────────────────────────────────────────────────────────

  #bar(event: AuditEvent | null) {
    const t = eventText(this.viewer.language);
    return html`<div class="bar">
      <button class="plain icon" aria-label=${t.previous} title=${t.previous} @click=${() => this.#step(-1)}>${icons.up}</button>
      <button class="plain icon" aria-label=${t.next} title=${t.next} @click=${() => this.#step(1)}>${icons.down}</button>
      <span class="space cut quiet" role="status">${this.said}</span>
      ${event ? this.#copyMenu(event) : nothing}
      <button class="plain icon" aria-label=${common(this.viewer.language).close} title=${common(this.viewer.language).close} @click=${() => this.#close()}>${icons.close}</button>
    </div>`;
  }

  #copyMenu(event: AuditEvent) {
    const t = eventText(this.viewer.language);
    const item = (label: string, text: () => string) => html`<button role="menuitem" tabindex="-1" @click=${() => void this.#copy(text())}>${label}</button>`;
    return html`<div class="copy" @focusout=${this.#leaveMenu}>
      <button class="plain" aria-haspopup="menu" aria-expanded=${this.copying} @click=${this.#openMenu}>${icons.copy} ${t.copyMenu}</button>
      ${this.copying
        ? html`<div class="menu" role="menu" aria-label=${t.copyMenu} @keydown=${this.#menuKey}>
            ${this.viewer.api.token ? nothing : item(t.copyLink, () => this.#link(event))}
            ${item(t.copyJson, () => pretty(event as unknown as Exact))} ${item(t.copyCurl, () => curl(this.#url(event)))}</div>`
        : nothing}
    </div>`;
  }

  #event(event: AuditEvent) {
    const t = eventText(this.viewer.language);
    const tab = (name: Tab) => html`<button role="tab" id=${`tab-${name}`} aria-selected=${this.tab === name} aria-controls="panel"
      tabindex=${this.tab === name ? 0 : -1} @click=${() => (this.tab = name)}>${t[name]}</button>`;
    return html`${this.#header(event)} ${this.#erased(event)}
      <div class="tabs" role="tablist" aria-label=${t.event} @keydown=${this.#tabKey}>${TABS.map(tab)}</div>
      <div id="panel" role="tabpanel" aria-labelledby=${`tab-${this.tab}`}>${this.tab === "json" ? this.#json(event) : this.#overview(event)}</div>`;
  }

  #header(event: AuditEvent) {
    const t = eventText(this.viewer.language);
    const said = sentence(event, this.viewer.language);
    const long = said.length > SENTENCE_CHARACTERS;
    return html`<header>
      <h2 tabindex="-1" dir="auto">${long && !this.allText ? `${said.slice(0, SENTENCE_CHARACTERS)}…` : said}</h2>
      ${long ? html`<button class="plain" aria-expanded=${this.allText} @click=${() => (this.allText = !this.allText)}>${this.allText ? t.showLess : t.showText(said.length)}</button>` : nothing}
      <div class="under">${this.#badge(event)}
        <span class="action mono"><annals-leaf .viewer=${this.viewer} path="action" .value=${event.action}></annals-leaf></span>
        ${this.#times(event)}</div>
    </header>`;
  }

  #badge(event: AuditEvent) {
    const result = event.outcome?.result;
    const t = eventText(this.viewer.language);
    if (!result || !(["success", "failure", "denied", "unknown"] as const).includes(result)) return nothing;
    const icon = { success: icons.check, failure: icons.close, denied: icons.warn, unknown: icons.minus }[result];
    return html`<span class="badge ${result}">${icon}<annals-leaf .viewer=${this.viewer} path="outcome.result" .value=${result} .label=${t[result]}></annals-leaf></span>`;
  }

  #times(event: AuditEvent) {
    const t = eventText(this.viewer.language);
    const { zone } = this.viewer;
    const [at, received] = [occurredAt(event), event.received_at];
    // What annals measured is in the log to the millisecond; what was sent, as it was sent.
    const in2 = (text: string, digits: 3 | 6) => (["local", "utc"] as const).map((zone) => `${instant(text, zone, digits)} ${offsetName(zone, new Date(text))}`);
    const [ats, receiveds] = [in2(at, event.occurred_at ? 6 : 3), in2(received, 3)];
    const unsaid = event.occurred_at ? "" : ` (${t.notSaid})`;
    const title = `${t.occurred}${unsaid}: ${ats.join(" = ")}\n${t.received}: ${receiveds.join(" = ")}`;
    const both = (texts: readonly string[]) => [...new Set(texts)].map((one) => html`<div>${one}</div>`);
    return html`<details class="times"><summary title=${title}><time datetime=${at}>${instant(at, zone)}</time> ${offsetName(zone, new Date(at))}
        <span class="unseen">${t.times}</span></summary>
      <dl><dt>${t.occurred}</dt><dd>${both(ats)}${unsaid}</dd><dt>${t.received}</dt><dd>${both(receiveds)}</dd></dl></details>`;
  }

  #erased(event: AuditEvent) {
    const positions = event.derived?.erased ?? [];
    if (!positions.length) return nothing;
    const t = eventText(this.viewer.language);
    const { zone } = this.viewer;
    return html`<div class="erased"><strong>${t.erasedTitle}</strong>
      ${positions.map((position) => {
        const at = this.erasedAt.get(position);
        return html`<p>${at ? t.erasedOn(`${instant(at, zone)} ${offsetName(zone, new Date(at))}`, position) : t.erasedBy(position)}</p>`;
      })}<p>${t.erasedStandIn}</p></div>`;
  }

  #overview(event: AuditEvent) {
    const { viewer } = this;
    const t = eventText(viewer.language);
    const targets = event.targets ?? [];
    const { changes } = event as { changes?: { before?: Exact; after?: Exact; complete?: boolean } };
    const states = changes && (changes.before !== undefined || changes.after !== undefined);
    return html`
      ${section(t.actor, actorFacts(viewer, event))}
      ${section(targets.length > 1 ? t.targetCount(targets.length) : t.targets, targetFacts(viewer, event, this.targetsShown, () => (this.targetsShown += TARGETS_MORE)))}
      ${section(t.changes, states ? html`<annals-changes .viewer=${viewer} .changes=${changes}></annals-changes>` : null)}
      ${section(t.outcome, outcomeFacts(viewer, event))}
      ${section(t.from, contextFacts(viewer, event.context))}
      ${section(t.request, requestFacts(viewer, event.request))}
      ${section(t.scope, scopeFacts(viewer, event))}
      ${section(t.metadata, metadataFacts(viewer, event.metadata as Exact | undefined))}
      ${section(t.other, otherFacts(viewer, event))}
      ${section(t.about, aboutFacts(viewer, event))}
      ${section(t.source, sourceFacts(viewer, event.source))}
      ${section(t.trace, traceFacts(viewer, event.trace))}
      ${this.loaded && relationsOf(event).length
        ? section(t.related, html`<annals-related .viewer=${viewer} .event=${this.loaded} .tenant=${this.tenant}></annals-related>`)
        : nothing}
      ${this.loaded ? section(t.proof, html`<annals-proof .viewer=${viewer} .event=${this.loaded} .tenant=${this.tenant}></annals-proof>`) : nothing}`;
  }

  #json(event: AuditEvent) {
    const t = eventText(this.viewer.language);
    const text = pretty(event as unknown as Exact);
    return html`<div class="json-tools">
        <button @click=${() => void this.#copy(text)}>${icons.copy} ${t.copyJson}</button>
        <button @click=${() => void this.#copy(curl(this.#url(event)))}>${icons.copy} ${t.copyCurl}</button></div>
      <pre tabindex="0" aria-label=${t.json}>${text}</pre>`;
  }

  #skeleton() {
    return html`<div class="skeleton" aria-busy="true"><span class="unseen" role="status">${common(this.viewer.language).loading}</span>
      ${[1, 2, 3, 4, 5, 6, 7, 8, 9].map(() => html`<i></i>`)}</div>`;
  }

  #refused(error: ApiError) {
    const t = eventText(this.viewer.language);
    const c = common(this.viewer.language);
    const said: Record<number, [string, string]> = {
      404: [t.goneTitle, t.goneHelp], 401: [c.noPermission, c.noPermissionHelp], 403: [c.noPermission, c.noPermissionHelp], 0: [c.unreachable, ""],
    };
    const [title, help] = said[error.status] ?? [c.failed, error.message];
    const again = error.status !== 404 && error.status !== 403;
    return html`<div class="state" role="alert"><h2 tabindex="-1">${title}</h2>${help ? html`<p>${help}</p>` : nothing}
      <p class="mono"><bdi>${this.eventId}</bdi></p>
      ${error.problem.request_id ? html`<p>${c.requestId(error.problem.request_id)}</p>` : nothing}
      ${again ? html`<button class="primary" @click=${() => void this.#load()}>${c.retry}</button>` : nothing}</div>`;
  }

  // ── doing ────────────────────────────────────────────────────────────────────────────────────

  #url(event: AuditEvent): string {
    const path = this.viewer.api.url(`/v1/events/${encodeURIComponent(event.id)}`, { tenant: this.tenant });
    return new URL(path, location.href).href;
  }

  #link(event: AuditEvent): string {
    const { view } = this.viewer;
    const page = /^(.*?\/viewer)(?:\/|$)/.exec(location.pathname)?.[1] ?? "/viewer";
    return new URL(formatView(view.event ? view : { ...view, event: event.id }, page), location.href).href;
  }

  async #copy(text: string) {
    this.copying = false;
    this.said = (await copyText(text)) ? common(this.viewer.language).copied : eventText(this.viewer.language).copyFailed;
    setTimeout(() => (this.said = ""), 4_000);
  }

  #openMenu = async () => {
    this.copying = !this.copying;
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>(".menu button")?.focus();
  };

  #leaveMenu = (event: FocusEvent) => {
    if (!(event.currentTarget as HTMLElement).contains(event.relatedTarget as Node | null)) this.copying = false;
  };

  #menuKey = (event: KeyboardEvent) => {
    const items = [...this.renderRoot.querySelectorAll<HTMLElement>(".menu button")];
    const at = items.indexOf(this.renderRoot instanceof ShadowRoot ? (this.renderRoot.activeElement as HTMLElement) : items[0] as HTMLElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) items[(at + step + items.length) % items.length]?.focus();
    else if (event.key === "Escape") {
      this.renderRoot.querySelector<HTMLElement>(".copy > button")?.focus();
      this.copying = false;
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  #tabKey = async (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.tab = TABS[(TABS.indexOf(this.tab) + step + TABS.length) % TABS.length] as Tab;
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>(`#tab-${this.tab}`)?.focus();
  };

  #key = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.composedPath().some((one) => one instanceof HTMLElement && /^(?:INPUT|TEXTAREA|SELECT)$/.test(one.tagName))) return;
    const step = { j: 1, k: -1 }[event.key];
    if (step) this.#step(step as 1 | -1);
    else if (event.key === "Escape") this.#close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  #step(detail: 1 | -1) {
    this.dispatchEvent(new CustomEvent("step", { detail, bubbles: true, composed: true }));
  }

  #close() {
    this.dispatchEvent(new CustomEvent("close", { bubbles: true, composed: true }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-event": EventElement;
  }
}
