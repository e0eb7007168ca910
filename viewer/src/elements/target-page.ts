/** All about a target: what was done to it, and its fields over time. */

import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { type AuditEvent, type EventsPage, occurredAt } from "../api/types.js";
import { type Loaded, load, ofTarget } from "../history/load.js";
import { icons } from "../icons.js";
import { pagesText } from "../text/pages.js";
import { base } from "../theme.js";
import { bounds } from "../view/time.js";
import type { Term } from "../view/view.js";
import { type Viewer, Watch } from "../viewer.js";
import "./event/event.js";
import "./explorer/time-range.js";
import { Asked, failure } from "./pages/asked.js";
import { layout, moment, open, openEvent } from "./pages/layout.js";
import { isOfAllTenants } from "./pages/which-tenant.js";
import "./pages/which-tenant.js";
import "./target-history.js";
import type { TimelineElement } from "./timeline.js";
import "./timeline.js";

/** `<annals-target .viewer>`: of `view.subject`, at `view.at`. */
@customElement("annals-target")
export class TargetElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @state() private newest: AuditEvent | null = null;
  @state() private total: number | null = null;
  @state() private opened: AuditEvent | null = null;
  @state() private read = 0;
  protected readonly watch = new Watch(this);
  readonly #history = new Asked<Loaded>(this);
  readonly #first = new Asked<AuditEvent | null>(this);
  #params = new URLSearchParams();
  #key = "";

  static override styles = [
    base,
    layout,
    css`
      .deleted { color: var(--bad); font-weight: 600; }
      .columns { display: grid; gap: 24px; grid-template-columns: minmax(0, 1fr); align-items: start; }
      @container (min-width: 1240px) { .columns.wide { grid-template-columns: minmax(0, 1.15fr) minmax(0, 1fr); } }
    `,
  ];

  protected override willUpdate(): void {
    const { page, subject, tenant, range, event } = this.viewer.view;
    if (event === null) this.opened = null;
    // Another page may be on its way in its place.
    if (page !== "target" || !subject) return;
    const key = JSON.stringify([subject, tenant, range]);
    if (key === this.#key) return;
    this.#key = key;
    const { since, until } = bounds(range);
    const within = new URLSearchParams(Object.entries({ tenant, since, until }).filter(([, value]) => value !== null) as [string, string][]);
    this.#params = new URLSearchParams([...within, ...ofTarget(subject)]);
    this.newest = null;
    this.total = null;
    this.read = 0;
    if (isOfAllTenants(this.viewer)) return;
    const { api, hidden } = this.viewer;
    this.#history.ask(key, (signal) => load(api, subject, within, hidden, signal, (count) => (this.read = count)));
    this.#first.ask(key, async (signal) => {
      const params = new URLSearchParams([...this.#params, ["order", "asc"], ["limit", "1"]]);
      return (await api.json<EventsPage>("/v1/events", params, { signal })).events[0] ?? null;
    });
  }

  override render() {
    const { viewer } = this;
    if (viewer.view.page !== "target" || !viewer.view.subject) return nothing;
    const t = pagesText(viewer.language);
    if (isOfAllTenants(viewer)) {
      return html`<div class="page"><div class="inner">${this.#head()}<annals-which-tenant .viewer=${viewer} .params=${this.#params}></annals-which-tenant></div></div>`;
    }
    const columns = viewer.view.event === null ? "columns wide" : "columns";
    return html`<div class="page"><div class="inner">
        ${this.#head()}
        ${this.total === 0
          ? html`<div class="empty"><strong>${t.noTarget}</strong><span>${t.noneHelp}</span></div>`
          : nothing}
        <div class=${columns} ?hidden=${this.total === 0}>
          <section aria-label=${t.fields}>
            ${this.#history.error
              ? failure(this.#history.error, viewer.language, () => this.#history.again())
              : html`<annals-target-history .viewer=${viewer} .loaded=${this.#history.value} .read=${this.read} @pick=${this.#picked}></annals-target-history>`}
          </section>
          <section aria-label=${t.timeline}>
            <h2>${t.timeline}</h2><div class="quiet">${t.everythingTarget}</div>
            <annals-timeline .viewer=${viewer} .params=${this.#params} @pick=${this.#picked}
              @first=${(event: CustomEvent<{ event: AuditEvent | null; total: number | null }>) => ({ event: this.newest, total: this.total } = event.detail)}></annals-timeline>
          </section>
        </div>
      </div></div>
      ${openEvent(viewer, this.opened, this.#close, (by) => this.#timeline?.step(by))}`;
  }

  #head() {
    const { viewer } = this;
    const t = pagesText(viewer.language);
    const { type, id } = this.#named();
    const none = this.#first.error ? "–" : "…";
    const when = (event: AuditEvent | null) => (event ? moment(occurredAt(event), viewer.zone) : none);
    const name = this.newest?.targets?.find((target) => target.id === id && (type === null || target.type === type))?.name;
    const deleted = this.#history.value?.history.lives.at(-1)?.deleted;
    return html`<header class="subject">
        <span class="face">${icons.target}</span>
        <div class="names">
          <h1><bdi>${name ?? viewer.nameOf("targets.id", id) ?? id}</bdi></h1>
          <div class="about"><span>${t.target}${type ? html` · <span dir="auto">${type}</span>` : nothing}</span><span class="mono" dir="auto">${id}</span>
            ${deleted ? html`<span class="deleted">${t.deletedNow(moment(deleted.at, viewer.zone))}</span>` : nothing}</div>
        </div>
        <div class="tools">
          <annals-time-range .viewer=${viewer}></annals-time-range>
          <button @click=${this.#explore}>${icons.search}${t.inExplorer}</button>
        </div>
      </header>
      <dl class="stats" ?hidden=${this.total === 0}>
        <div><dt>${t.total}</dt><dd>${this.total === null ? none : this.total.toLocaleString(viewer.language)}</dd></div>
        <div><dt>${t.firstSeen}</dt><dd class="when">${when(this.#first.value)}</dd></div>
        <div><dt>${t.lastSeen}</dt><dd class="when">${when(this.newest)}</dd></div>
      </dl>`;
  }

  /** The subject, with the type that its events tell where the address does not. */
  #named(): { type: string | null; id: string } {
    const { type, id } = this.viewer.view.subject ?? { type: null, id: "" };
    return { type: type ?? this.newest?.targets?.find((target) => target.id === id)?.type ?? null, id };
  }

  readonly #explore = () => {
    const { view } = this.viewer;
    const { type, id } = view.subject ?? { type: null, id: "" };
    const terms: Term[] = [{ kind: "is", path: "targets.id", value: id }];
    if (type !== null) terms.unshift({ kind: "is", path: "targets.type", value: type });
    this.viewer.go({ ...view, page: "events", subject: null, event: null, at: null, q: "", filter: "", terms });
  };

  readonly #picked = ({ detail }: CustomEvent<AuditEvent>) => {
    this.opened = detail;
    open(this.viewer, detail);
  };

  readonly #close = () => {
    this.viewer.patch({ event: null });
    this.#timeline?.focus();
  };

  get #timeline(): TimelineElement | null {
    return this.renderRoot.querySelector("annals-timeline");
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-target": TargetElement;
  }
}
