/** What the pages of an actor and of a target share: whose page it is, its timeline, and the event that is open beside it. */

import { LitElement, type TemplateResult, html, nothing } from "lit";
import { property, state } from "lit/decorators.js";
import type { AuditEvent } from "../../api/types.js";
import { pagesText } from "../../text/pages.js";
import { bounds } from "../../view/time.js";
import type { Subject, Term } from "../../view/view.js";
import { type Viewer, Watch } from "../../viewer.js";
import "../event/event.js";
import "../explorer/time-range.js";
import type { TimelineElement } from "../timeline.js";
import "../timeline.js";
import { open, openEvent } from "./layout.js";
import { isOfAllTenants } from "./which-tenant.js";
import "./which-tenant.js";

export abstract class SubjectPage extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  /** The newest event of the timeline, and how many it has, as far as it told. */
  @state() protected newest: AuditEvent | null = null;
  @state() protected total: number | null = null;
  @state() private opened: AuditEvent | null = null;
  protected readonly watch = new Watch(this);
  /** Tenant and time as the view has them. */
  protected within = new URLSearchParams();
  /** Finds everything on the timeline. */
  protected params = new URLSearchParams();
  #key = "";

  /** Which page it is. */
  protected abstract readonly page: "actor" | "target";

  /** What finds the subject's events, beside tenant and time. */
  protected abstract conditions(subject: Subject): Iterable<[string, string]>;

  /** Asks for what the page tells beside the timeline; `key` is another for another subject, tenant or time. */
  protected abstract ask(key: string, subject: Subject): void;

  protected abstract head(subject: Subject): TemplateResult;

  protected abstract body(subject: Subject): TemplateResult;

  protected override willUpdate(): void {
    const { page, subject, tenant, range, event } = this.viewer.view;
    if (event === null) this.opened = null;
    // Another page may be on its way in its place.
    if (page !== this.page || !subject) return;
    const key = JSON.stringify([subject, tenant, range]);
    // A range that moves with the clock asks the same until it is chosen anew.
    if (key !== this.#key) {
      this.#key = key;
      const given = Object.entries({ tenant, ...bounds(range) }).filter(([, value]) => value !== null);
      this.within = new URLSearchParams(given as [string, string][]);
      this.params = new URLSearchParams([...this.within, ...this.conditions(subject)]);
      this.newest = null;
      this.total = null;
    }
    if (!isOfAllTenants(this.viewer)) this.ask(key, subject);
  }

  override render() {
    const { viewer } = this;
    const { page, subject } = viewer.view;
    if (page !== this.page || !subject) return nothing;
    const body = isOfAllTenants(viewer)
      ? html`<annals-which-tenant .viewer=${viewer} .params=${this.params}></annals-which-tenant>`
      : this.body(subject);
    return html`<div class="page"><div class="inner">${this.head(subject)} ${body}</div></div>
      ${openEvent(viewer, this.opened, this.#close, (by) => this.#timeline?.step(by))}`;
  }

  /** Everything, newest first; `actor` has it say what each has to do with the actor. */
  protected timeline(says: string, actor: string | null = null) {
    const t = pagesText(this.viewer.language);
    return html`<section aria-label=${t.timeline}>
      <h2>${t.timeline}</h2><div class="quiet">${says}</div>
      <annals-timeline .viewer=${this.viewer} .params=${this.params} .actor=${actor} @pick=${this.pick}
        @first=${(event: CustomEvent<{ event: AuditEvent | null; total: number | null }>) => ({ event: this.newest, total: this.total } = event.detail)}></annals-timeline>
    </section>`;
  }

  /** Opens an event beside the page. */
  protected readonly pick = ({ detail }: CustomEvent<AuditEvent>) => {
    this.opened = detail;
    open(this.viewer, detail);
  };

  /** Goes to the list of the events that have all of this. */
  protected explore(terms: Term[]): void {
    this.viewer.go({ ...this.viewer.view, page: "events", subject: null, event: null, at: null, q: "", filter: "", terms });
  }

  readonly #close = () => {
    this.viewer.patch({ event: null });
    this.#timeline?.focus();
  };

  get #timeline(): TimelineElement | null {
    return this.renderRoot.querySelector("annals-timeline");
  }
}
