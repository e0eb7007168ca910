/** All about an actor: who it is, what it usually does, and everything it did and that was done to it. */

import { css, html, nothing } from "lit";
import { customElement } from "lit/decorators.js";
import type { Params } from "../api/client.js";
import { type AuditEvent, type EventsPage, type FieldCounts, type Json, type Summary, occurredAt } from "../api/types.js";
import { icons } from "../icons.js";
import { fieldName } from "../text/fields.js";
import { pagesText } from "../text/pages.js";
import { base } from "../theme.js";
import { zoneName } from "../view/time.js";
import type { Scalar, Subject } from "../view/view.js";
import { Asked, failure } from "./pages/asked.js";
import "./pages/days.js";
import { is, layout, moment } from "./pages/layout.js";
import { SubjectPage } from "./pages/subject-page.js";
import "./value.js";

/** What is counted of what an actor did, with how many values are told of each. */
const TOPS = ["action", "targets.id", "context.ip", "context.session_id"] as const;
const TOP_MAX = 6;
const CREDENTIALS_MAX = 5;
const DAYS = 90;

/** What the head of the page says. */
interface About {
  /** The newest event by the actor, or where there is none, about it. */
  latest: AuditEvent | null;
  first: AuditEvent | null;
  did: Summary;
  /** Null where it is hidden from whoever looks. */
  doneTo: number | null;
  onBehalf: number | null;
  days: Summary;
}

/** `<annals-actor .viewer>`: of `view.subject`. */
@customElement("annals-actor")
export class ActorElement extends SubjectPage {
  protected readonly page = "actor";
  readonly #about = new Asked<About>(this);

  static override styles = [
    base,
    layout,
    css`
      .tops { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(230px, 100%), 1fr)); gap: 12px; }
      .top { padding: 12px 14px; min-width: 0; }
      .top h2 { font-size: 13px; margin-bottom: 6px; }
      .top ol { list-style: none; margin: 0 -6px; padding: 0; }
      .top button { position: relative; display: flex; width: 100%; min-height: 28px; padding: 2px 6px; border: 0; gap: 10px; background: none; font-size: 13px; overflow: hidden; }
      .top button:hover { background: var(--ground-3) !important; }
      .top .name { flex: 1; min-width: 0; }
      .top .count { font-variant-numeric: tabular-nums; color: var(--text-2); }
      .bar { position: absolute; inset-block: 3px; inset-inline-start: 0; border-radius: 3px; background: var(--accent-ground); z-index: 0; }
      .top .name, .top .count { position: relative; z-index: 1; }
      .days { padding: 12px 14px; }
      .days h2 { font-size: 13px; margin-bottom: 8px; }
      .credentials { display: flex; flex-wrap: wrap; gap: 4px 10px; white-space: nowrap; }
    `,
  ];

  /** Everything done by, to, and on behalf of the actor. */
  protected conditions({ id }: Subject): [string, string][] {
    const paths = ["actor.id", "targets.id", "actor.chain.id"].filter((path) => !this.viewer.hides(path));
    return [["filter", paths.map((path) => is(path, id)).join(" or ")]];
  }

  protected ask(key: string, { id }: Subject): void {
    this.#about.ask(`${key}${this.viewer.zone}`, (signal) => this.#ask(id, signal));
  }

  protected head({ id }: Subject) {
    const { viewer } = this;
    const t = pagesText(viewer.language);
    const who = this.#who(id);
    return html`<header class="subject">
      <span class="face">${icons.user}</span>
      <div class="names">
        <h1><bdi>${who.name ?? id}</bdi></h1>
        <div class="about">
          <span>${t.actor}${who.type ? html` · <span dir="auto">${who.type}</span>` : nothing}</span>
          <span class="mono" dir="auto">${id}</span>
          ${who.email ? html`<span dir="auto">${who.email}</span>` : nothing}
        </div>
        ${this.#credentials()}
      </div>
      <div class="tools">
        <annals-time-range .viewer=${viewer}></annals-time-range>
        <button @click=${() => this.explore([{ kind: "is", path: "actor.id", value: id }])}>${icons.search}${t.inExplorer}</button>
      </div>
    </header>
    ${this.#about.error ? failure(this.#about.error, viewer.language, () => this.#about.again()) : nothing}`;
  }

  #who(id: string): { name?: string | undefined; email?: string | undefined; type?: string | undefined } {
    const latest = this.#about.value?.latest;
    if (!latest) return { name: this.viewer.nameOf("actor.id", id) ?? undefined };
    if (latest.actor.id === id) return latest.actor;
    const behalf = latest.actor.chain?.find((link) => link.id === id);
    return latest.targets?.find((target) => target.id === id) ?? behalf ?? {};
  }

  #credentials() {
    const counts = this.#about.value?.did.counts?.["actor.credential.id"];
    if (!counts?.values.length) return nothing;
    const t = pagesText(this.viewer.language);
    const shown = counts.values.slice(0, CREDENTIALS_MAX);
    return html`<div class="credentials"><span class="quiet">${t.credentials}:</span>
      ${shown.map(({ value }) => html`<annals-value class="mono" .viewer=${this.viewer} .path=${"actor.credential.id"} .value=${value as Scalar}></annals-value>`)}
      ${counts.distinct > shown.length ? html`<span class="quiet">${t.others(counts.distinct - shown.length)}</span>` : nothing}</div>`;
  }

  protected body({ id }: Subject) {
    const t = pagesText(this.viewer.language);
    const about = this.#about.value;
    if (this.total === 0 && about?.latest == null && !this.#about.loading) {
      return html`<div class="empty"><strong>${t.noActor}</strong><span>${t.noneHelp}</span></div>`;
    }
    return html`
      ${this.#stats(about)}
      ${this.#about.error ? nothing : html`
        <section class="card days" aria-label=${t.days}><h2>${t.days}</h2><annals-days .viewer=${this.viewer} .summary=${about?.days ?? null}></annals-days></section>
        <section class="tops" aria-label=${t.summary}>${TOPS.map((path) => (about && !about.did.counts?.[path] ? nothing : this.#top(id, path, about?.did.counts?.[path] ?? null)))}</section>`}
      ${this.timeline(t.everything, id)}`;
  }

  #stats(about: About | null) {
    const t = pagesText(this.viewer.language);
    const { zone, language } = this.viewer;
    const none = this.#about.error ? "–" : "…";
    const number = (n: number | null | undefined) => (n == null ? none : n.toLocaleString(language));
    const of = (title: string, n: number | null | undefined) => (about && n === null ? nothing : html`<div><dt>${title}</dt><dd>${number(n)}</dd></div>`);
    const when = (event: AuditEvent | null | undefined) => (event ? moment(occurredAt(event), zone) : none);
    return html`<dl class="stats">
      <div><dt>${t.total}</dt><dd>${number(this.total)}</dd></div>
      <div><dt>${t.didCount}</dt><dd>${number(about?.did.total)}</dd></div>
      ${of(t.doneToCount, about?.doneTo)}${of(t.onBehalfCount, about?.onBehalf)}
      <div><dt>${t.firstSeen}</dt><dd class="when">${when(about?.first)}</dd></div>
      <div><dt>${t.lastSeen}</dt><dd class="when">${when(this.newest)}</dd></div>
    </dl>`;
  }

  #top(id: string, path: (typeof TOPS)[number], counts: FieldCounts | null) {
    const t = pagesText(this.viewer.language);
    const { language } = this.viewer;
    const title = { action: t.topActions, "targets.id": t.topTargets, "context.ip": t.topAddresses, "context.session_id": t.topSessions }[path];
    const most = counts?.values[0]?.count ?? 1;
    return html`<div class="card top"><h2 title=${fieldName(path, language)}>${title}</h2>
      ${counts === null ? Array.from({ length: 4 }, () => html`<p class="skeleton"></p>`) : nothing}
      ${counts?.values.length === 0 ? html`<span class="quiet">${t.nothingHere}</span>` : nothing}
      <ol>${counts?.values.map(({ value, count }) => {
        const text = typeof value === "string" ? value : JSON.stringify(value);
        const name = this.viewer.nameOf(path, value) ?? text;
        return html`<li><button title=${text} @click=${() => this.explore([{ kind: "is", path: "actor.id", value: id }, { kind: "is", path, value: value as Scalar }])}>
          <span class="bar" .style=${`width: ${Math.max(1, (count / most) * 100)}%`}></span>
          <span class="name cut ${name === text && path !== "action" ? "mono" : ""}" dir="auto">${name}</span><span class="count">${count.toLocaleString(language)}</span></button></li>`;
      })}</ol>
      ${counts && counts.distinct > counts.values.length ? html`<span class="quiet">${t.others(counts.distinct - counts.values.length)}</span>` : nothing}
    </div>`;
  }

  async #ask(id: string, signal: AbortSignal): Promise<About> {
    const { api } = this.viewer;
    const within = (more: Record<string, string>) => new URLSearchParams([...this.within, ...Object.entries(more)]);
    const one = async (params: Params) => (await api.json<EventsPage>("/v1/events", params, { signal })).events[0] ?? null;
    const count = (params: URLSearchParams) => api.json<Summary>("/v1/summary", params, { signal });
    const counted = (path: string, param: string) => (this.viewer.hides(path) ? null : count(within({ [param]: id })));
    const all = this.params;
    const by = [...TOPS, "actor.credential.id"].filter((path) => !this.viewer.hides(path)).map((path) => ["by", path]);
    const [latest, about, first, did, doneTo, onBehalf, days] = await Promise.all([
      one(within({ actor_id: id, limit: "1" })),
      one(new URLSearchParams([...all, ["limit", "1"]])),
      one(new URLSearchParams([...all, ["order", "asc"], ["limit", "1"]])),
      count(new URLSearchParams([...within({ actor_id: id, limit: String(TOP_MAX) }), ...by])),
      counted("targets.id", "targets_id"),
      counted("actor.chain.id", "actor_chain_id"),
      count(this.#days()),
    ]);
    await this.#learn(did, signal);
    return { latest: latest ?? about, first, did, doneTo: doneTo?.total ?? null, onBehalf: onBehalf?.total ?? null, days };
  }

  #days(): URLSearchParams {
    const params = new URLSearchParams(this.params);
    params.set("since", new Date(Date.now() - (DAYS - 1) * 86_400_000).toISOString());
    params.set("until", new Date().toISOString());
    params.set("interval", "1d");
    params.set("tz", zoneName(this.viewer.zone));
    return params;
  }

  /** Learns the names of the targets that are named, from the newest events about them. */
  async #learn(did: Summary, signal: AbortSignal): Promise<void> {
    const unknown = (did.counts?.["targets.id"]?.values ?? []).map(({ value }: { value: Json }) => value).filter((value) => !this.viewer.nameOf("targets.id", value));
    if (!unknown.length) return;
    const params = new URLSearchParams(this.within);
    for (const value of unknown) params.append("targets_id", String(value));
    params.set("limit", "200");
    const page = await this.viewer.api.json<EventsPage>("/v1/events", params, { signal }).catch(() => null);
    this.viewer.learn([...(page?.events ?? [])].reverse());
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-actor": ActorElement;
  }
}
