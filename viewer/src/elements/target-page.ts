/** All about a target: what was done to it, and its fields over time. */

import { css, html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { type AuditEvent, type EventsPage, occurredAt } from "../api/types.js";
import { type Loaded, load, ofTarget } from "../history/load.js";
import { icons } from "../icons.js";
import { pagesText } from "../text/pages.js";
import { base } from "../theme.js";
import type { Subject, Term } from "../view/view.js";
import { Asked, failure } from "./pages/asked.js";
import { layout, moment } from "./pages/layout.js";
import { SubjectPage } from "./pages/subject-page.js";
import "./target-history.js";

/** `<annals-target .viewer>`: of `view.subject`, at `view.at`. */
@customElement("annals-target")
export class TargetElement extends SubjectPage {
  protected readonly page = "target";
  @state() private read = 0;
  readonly #history = new Asked<Loaded>(this);
  readonly #first = new Asked<AuditEvent | null>(this);

  static override styles = [
    base,
    layout,
    css`
      .deleted { color: var(--bad); font-weight: 600; }
      .columns { display: grid; gap: 24px; grid-template-columns: minmax(0, 1fr); align-items: start; }
      @container (min-width: 1240px) { .columns.wide { grid-template-columns: minmax(0, 1.15fr) minmax(0, 1fr); } }
    `,
  ];

  protected conditions(subject: Subject) {
    return ofTarget(subject);
  }

  protected ask(key: string, subject: Subject): void {
    const { api, hidden } = this.viewer;
    this.#history.ask(key, (signal) => {
      this.read = 0;
      return load(api, subject, this.within, hidden, signal, (count) => (this.read = count));
    });
    this.#first.ask(key, async (signal) => {
      const params = new URLSearchParams([...this.params, ["order", "asc"], ["limit", "1"]]);
      return (await api.json<EventsPage>("/v1/events", params, { signal })).events[0] ?? null;
    });
  }

  protected body() {
    const { viewer } = this;
    const t = pagesText(viewer.language);
    const columns = viewer.view.event === null ? "columns wide" : "columns";
    return html`${this.total === 0 ? html`<div class="empty"><strong>${t.noTarget}</strong><span>${t.noneHelp}</span></div>` : nothing}
      <div class=${columns} ?hidden=${this.total === 0}>
        <section aria-label=${t.fields}>
          ${this.#history.error
            ? failure(this.#history.error, viewer.language, () => this.#history.again())
            : html`<annals-target-history .viewer=${viewer} .loaded=${this.#history.value} .read=${this.read} @pick=${this.pick}></annals-target-history>`}
        </section>
        ${this.timeline(t.everythingTarget)}
      </div>`;
  }

  protected head() {
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
    const { type, id } = this.viewer.view.subject ?? { type: null, id: "" };
    const terms: Term[] = [{ kind: "is", path: "targets.id", value: id }];
    if (type !== null) terms.unshift({ kind: "is", path: "targets.type", value: type });
    this.explore(terms);
  };
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-target": TargetElement;
  }
}
