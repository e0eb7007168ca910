/** What else shares a request, a session, a trace, an actor, a target or a moment with an event, and how much of it there is. */

import { LitElement, css, html } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { ApiError } from "../../api/client.js";
import { type AuditEvent, type Summary, occurredAt } from "../../api/types.js";
import { icons } from "../../icons.js";
import { common } from "../../text/common.js";
import { eventText } from "../../text/event.js";
import { base } from "../../theme.js";
import { ALL_TIME, instant } from "../../view/time.js";
import { type View, question, viewOf } from "../../view/view.js";
import { type Viewer, Watch } from "../../viewer.js";
import { actorName, targetName } from "./sentence.js";
import { Seen } from "./seen.js";

/** Targets that are offered. */
const TARGETS_MAX = 5;

/** What happened so long before or after belongs to the same moment, ms. */
const MOMENT_MS = 5 * 60_000;

/** By a value, or where `path` is empty, by a stretch of time about that value. */
interface Relation {
  word: "sameTime" | "sameRequest" | "sameSession" | "sameTrace" | "sameActor" | "sameTarget";
  path: string;
  value: string;
  label: string;
}

@customElement("annals-related")
export class RelatedElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property({ attribute: false }) event!: AuditEvent;
  @property({ attribute: false }) tenant: string | null = null;
  /** Counts as far as they are known; null where the server could not say. */
  @state() private counts = new Map<string, number | null>();
  #relations: Relation[] = [];
  #asking: AbortController | null = null;
  protected readonly watch = new Watch(this);
  protected readonly seen = new Seen(this, () => void this.#count());

  static override styles = [
    base,
    css`
      :host { display: block; }
      ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 4px; }
      button { width: 100%; justify-content: space-between; gap: 12px; min-width: 0; }
      .what { min-width: 0; display: grid; }
      .what .cut { max-width: 100%; }
      .count { flex: none; display: inline-flex; align-items: center; gap: 4px; font-variant-numeric: tabular-nums; }
    `,
  ];

  override willUpdate(changed: Map<string, unknown>) {
    if (!changed.has("event")) return;
    this.#relations = relationsOf(this.event);
    this.counts = new Map();
    this.#asking?.abort();
    this.seen.again();
  }

  override disconnectedCallback() {
    super.disconnectedCallback();
    this.#asking?.abort();
  }

  override render() {
    const t = eventText(this.viewer.language);
    return html`<ul>${this.#relations.map((relation) => html`<li>
      <button @click=${() => this.#go(relation)}>
        <span class="what"><span>${t[relation.word]}</span><bdi class="cut quiet">${relation.path ? relation.label : this.#stretch(relation.value)}</bdi></span>
        <span class="count quiet">${this.#counted(relation)} ${icons.right}</span>
      </button></li>`)}</ul>`;
  }

  #counted(relation: Relation): string {
    const t = eventText(this.viewer.language);
    const count = this.counts.get(keyOf(relation));
    if (count === undefined) return t.counting;
    if (count === null) return t.notCounted;
    return count === 1 ? t.onlyThis : common(this.viewer.language).events(count);
  }

  #stretch(at: string): string {
    const { since, until } = around(at);
    const { zone } = this.viewer;
    return `${instant(since, zone)} – ${instant(until, zone).slice(11)}`;
  }

  #viewOf({ path, value }: Relation): View {
    const { view } = this.viewer;
    const tenant = view.tenant ?? this.tenant;
    // All that happened, with the event in the midst of it.
    if (!path) return { ...viewOf(view, path, value), tenant, terms: [], range: around(value), event: this.event.id, live: false, at: null };
    return { ...viewOf(this.viewer.view, path, value), tenant, range: ALL_TIME, live: false, at: null };
  }

  #go(relation: Relation) {
    this.viewer.go(this.#viewOf(relation));
  }

  /** One after the other: other questions are more urgent. */
  async #count() {
    this.#asking?.abort();
    const { signal } = (this.#asking = new AbortController());
    for (const relation of this.#relations) {
      let count: number | null = null;
      try {
        count = (await this.viewer.api.json<Summary>("/v1/summary", question(this.#viewOf(relation)), { signal })).total;
      } catch (error) {
        if (!(error instanceof ApiError)) return;
      }
      if (signal.aborted) return;
      this.counts = new Map(this.counts).set(keyOf(relation), count);
    }
  }
}

function around(at: string): { since: string; until: string } {
  const ms = Date.parse(at);
  return { since: new Date(ms - MOMENT_MS).toISOString(), until: new Date(ms + MOMENT_MS).toISOString() };
}

function keyOf({ path, value }: Relation): string {
  return `${path}\0${value}`;
}

/** Whether there is anything to be related by. */
export function relationsOf(event: AuditEvent): Relation[] {
  const found: Relation[] = [];
  const add = (word: Relation["word"], path: string, value: string | undefined, label = value) => {
    if (value && !found.some((one) => one.path === path && one.value === value)) found.push({ word, path, value, label: label || value });
  };
  add("sameRequest", "request.id", event.request?.id);
  add("sameSession", "context.session_id", event.context?.session_id);
  add("sameTrace", "trace.trace_id", event.trace?.trace_id);
  add("sameActor", "actor.id", event.actor?.id, actorName(event.actor) ?? undefined);
  if (!Number.isNaN(Date.parse(occurredAt(event)))) add("sameTime", "", occurredAt(event));
  for (const target of (event.targets ?? []).slice(0, TARGETS_MAX)) add("sameTarget", "targets.id", target.id, targetName(target));
  return found;
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-related": RelatedElement;
  }
}
