/**
 * `<annals-log>`: the viewer within a product's page, for that product's own customers.
 *
 *     <script type="module" src="https://audit.example.com/viewer/assets/annals-log.js"></script>
 *     <annals-log token="annals_view_…" lang="pt" last="30d"></annals-log>
 *
 * It shows what its token lets it see, and goes nowhere: where one looks stays within the element, and the page's address as it is.
 */

import { LitElement, type PropertyValues, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { Api, ApiError, type Asking, type Params } from "./api/client.js";
import { type Terms, termsOf } from "./api/token.js";
import { icons } from "./icons.js";
import { embedText } from "./text/embed.js";
import { type Language, languageFor } from "./text/words.js";
import { base, theme } from "./theme.js";
import { lengthMs } from "./view/time.js";
import { type View, parseView } from "./view/view.js";
import { Viewer, Watch } from "./viewer.js";
import "./elements/actor-page.js";
import "./elements/explorer.js";
import "./elements/target-page.js";

/** A new token is asked for so long before the one at hand ends, ms. */
const EARLY_MS = 60_000;

/** Longest wait that a timer of a browser takes, ms. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Views to go back to. */
const BACK_MAX = 100;

/** Where this file came from: the server that is asked, unless the page names another. */
const HOME = new URL(import.meta.url).origin;

/** Asks with a token that ends: what was refused for it waits for the next one, so that all that is shown stays and goes on. */
class TokenApi extends Api {
  #waiting: (() => void)[] = [];

  constructor(
    base: string,
    private readonly needed: (reason: Reason) => void,
    private readonly failed: (error: ApiError) => void,
  ) {
    super(base);
  }

  /** Takes a token, and asks again what waits for one. */
  use(token: string | null): void {
    if (token === this.token) return;
    this.token = token;
    if (token === null) return;
    for (const go of this.#waiting.splice(0)) go();
  }

  override async fetch(path: string, params: Params = {}, asking: Asking = {}): Promise<Response> {
    for (;;) {
      const shown = this.token;
      if (shown === null) {
        await this.#another("missing", shown, asking.signal);
        continue;
      }
      try {
        return await super.fetch(path, params, asking);
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) await this.#another("refused", shown, asking.signal);
        else {
          if (error instanceof ApiError) this.failed(error);
          throw error;
        }
      }
    }
  }

  /** Waits for another token than the one that was shown. */
  async #another(reason: Reason, shown: string | null, signal: AbortSignal | undefined): Promise<void> {
    if (this.token !== shown) return;
    this.needed(reason);
    await new Promise<void>((go, stop) => {
      const aborted = () => stop(new DOMException("aborted", "AbortError"));
      if (signal?.aborted) return aborted();
      signal?.addEventListener("abort", aborted, { once: true });
      this.#waiting.push(go);
    });
  }
}

/** Why a token is needed: there is none, the server takes it no more, or it ends within a minute. */
type Reason = "missing" | "refused" | "expires";

/**
 * Fires `annals-token-needed` (detail: `{ reason }`) and `annals-error` (detail: `{ code, status, message }`), both also outside.
 */
@customElement("annals-log")
export class LogElement extends LitElement {
  /** Origin of the server; where this file came from when left out. */
  @property() src = "";
  /** A viewer token of that server. Setting another goes on with it. */
  @property() token = "";
  /** `en` or `pt`; the page's language when left out, and where it has none, what the browser prefers. */
  @property() override lang = "";
  /** The stretch of time to begin with, `30d`. */
  @property() last = "";
  /** What to begin with, as the address of a view has it: `actor_id=u1&last=7d`. */
  @property() view = "";
  /** `light` or `dark`; the reader's preference when left out. */
  @property({ reflect: true }) scheme = "";
  /** Its holder may export; left out, what the token itself says. */
  @property({ type: Boolean }) export = false;
  /** When the token ends, RFC 3339, and another one is asked for before; left out, what the token itself says. */
  @property({ attribute: "expires-at" }) expiresAt = "";
  @state() private viewer: Viewer | null = null;
  @state() private needed: Reason | null = null;
  protected readonly watch = new Watch(this as unknown as LitElement & { viewer: Viewer });
  #api: TokenApi | null = null;
  #shown: View | null = null;
  #terms: Terms = termsOf("");
  #back: View[] = [];
  #ending: ReturnType<typeof setTimeout> | undefined;

  static override styles = [
    theme,
    base,
    css`
      :host { display: flex; flex-direction: column; position: relative; height: var(--annals-height, 640px); min-height: 360px; overflow: hidden; border: 1px solid var(--line); border-radius: var(--radius); contain: layout; }
      .main { flex: 1; min-height: 0; display: flex; flex-direction: column; }
      .main > * { flex: 1; min-height: 0; }
      .back { padding: 6px 8px; border-bottom: 1px solid var(--line); background: var(--ground-2); }
      .waiting { display: flex; gap: 8px; align-items: center; padding: 8px 12px; background: var(--warn-ground); border-bottom: 1px solid var(--line); font-size: 13px; }
      .waiting svg { flex: none; color: var(--warn); }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.#remind();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#ending);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const told = this.lang || this.parentElement?.closest<HTMLElement>("[lang]")?.lang;
    const language = languageFor(told ? [told] : navigator.languages);
    if (!this.viewer || changed.has("src")) this.#begin();
    const viewer = this.viewer as Viewer;
    if (viewer.language !== language) viewer.language = language;
    if (changed.has("export") && !changed.has("token")) this.#use();
    if ((changed.has("view") || changed.has("last")) && this.hasUpdated) viewer.go(this.#start());
    if (changed.has("token")) this.#use();
    if (changed.has("expiresAt") || changed.has("token")) this.#remind();
  }

  #begin(): void {
    const failed = (error: ApiError) => this.#tell("annals-error", { code: error.code, status: error.status, message: error.message });
    this.#api = new TokenApi(this.src ? new URL(this.src, location.href).origin : HOME, (reason) => this.#need(reason), failed);
    const viewer = new Viewer(this.#api, (view, replace) => this.#went(view, replace));
    viewer.can = { export: this.export, verify: false, access: false, views: false, pages: true, words: true };
    viewer.view = this.#start();
    this.#shown = viewer.view;
    this.#back = [];
    this.viewer = viewer;
    this.#use();
  }

  #use(): void {
    const token = this.token.trim() || null;
    this.#terms = termsOf(token ?? "");
    const { viewer } = this;
    if (viewer) {
      viewer.hidden = this.#terms.hide;
      // Where something is hidden, words cannot be asked for: they would look everywhere.
      viewer.can = { ...viewer.can, export: this.export || this.#terms.export, words: this.#terms.hide.length === 0 };
      viewer.changed();
    }
    this.#api?.use(token);
    if (token !== null) this.needed = null;
  }

  #start(): View {
    const query = new URLSearchParams(this.view);
    if (this.last && !["last", "since", "until"].some((name) => query.has(name)) && (this.last === "all" || lengthMs(this.last))) query.set("last", this.last);
    // What only a key can see is nowhere to begin.
    return { ...parseView("", query), page: "events", subject: null, tenant: null };
  }

  /** Remembers where one came from. */
  #went(view: View, replace: boolean): void {
    const before = this.#shown;
    this.#shown = view;
    const moved = before !== null && (before.page !== view.page || JSON.stringify(before.subject) !== JSON.stringify(view.subject));
    if (view.page === "events") this.#back = [];
    else if (moved && !replace) this.#back = [...this.#back, before].slice(-BACK_MAX);
  }

  readonly #goBack = () => {
    const before = this.#back.at(-1);
    const left = this.#back.slice(0, -1);
    this.viewer?.go(before ?? this.#start(), true);
    this.#back = left;
    this.requestUpdate();
  };

  /** Asks for another token in good time. */
  #remind(): void {
    clearTimeout(this.#ending);
    const ends = this.expiresAt ? Date.parse(this.expiresAt) : (this.#terms.untilMs ?? Number.NaN);
    if (Number.isNaN(ends) || !this.isConnected) return;
    const ms = Math.max(0, ends - EARLY_MS - Date.now());
    if (ms <= TIMER_MS_MAX) this.#ending = setTimeout(() => this.#tell("annals-token-needed", { reason: "expires" }), ms);
  }

  #need(reason: Reason): void {
    // Once, however many requests wait for it.
    const told = this.needed === reason;
    this.needed = reason;
    if (!told) this.#tell("annals-token-needed", { reason });
  }

  #tell(name: string, detail: object): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  override render() {
    const { viewer } = this;
    if (!viewer) return nothing;
    const t = embedText(viewer.language);
    return html`
      ${this.needed === null ? nothing : html`<div class="waiting" role="status">${icons.warn}<span>${this.needed === "missing" ? t.noToken : t.tokenEnded}</span></div>`}
      ${viewer.view.page === "events" ? nothing : html`<div class="back"><button class="plain" @click=${this.#goBack}>${icons.left}${t.back}</button></div>`}
      <div class="main" lang=${viewer.language satisfies Language}>${this.#page(viewer)}</div>`;
  }

  #page(viewer: Viewer) {
    switch (viewer.view.page) {
      case "actor": return html`<annals-actor .viewer=${viewer}></annals-actor>`;
      case "target": return html`<annals-target .viewer=${viewer}></annals-target>`;
      default: return html`<annals-explorer .viewer=${viewer}></annals-explorer>`;
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-log": LogElement;
  }
}
