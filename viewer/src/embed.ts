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
import { keyed } from "lit/directives/keyed.js";
import { Api, ApiError, type Asking, type Params } from "./api/client.js";
import { type Terms, termsOf } from "./api/token.js";
import { type Reason, Renewal } from "./embed/renewal.js";
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

/** Views to go back to. */
const BACK_MAX = 100;

/** Where this file came from: the server that is asked, unless the page names another. */
const HOME = new URL(import.meta.url).origin;

/** What the element that asks wants to know. */
interface Watching {
  /** A request waits for a token. */
  needed(reason: "missing" | "refused"): void;
  /** The server took the token at hand. */
  taken(): void;
  failed(error: ApiError): void;
}

/** Asks with a token that ends: what was refused for it waits for the next one, so that all that is shown stays and goes on. */
class TokenApi extends Api {
  #waiting = new Set<() => void>();
  readonly #ended = new AbortController();

  constructor(
    base: string,
    private readonly watching: Watching,
  ) {
    super(base);
  }

  /** Whether a request waits for a token. */
  get waits(): boolean {
    return this.#waiting.size > 0;
  }

  /** Takes a token, and asks again what waits for one. */
  use(token: string | null): void {
    if (token === this.token) return;
    this.token = token;
    if (token === null) return;
    for (const go of [...this.#waiting]) go();
  }

  /** Asks nothing more, and gives no answer that is still on its way. */
  end(): void {
    this.#ended.abort();
  }

  override async fetch(path: string, params: Params = {}, asking: Asking = {}): Promise<Response> {
    const ended = this.#ended.signal;
    for (;;) {
      const shown = this.token;
      if (shown === null) {
        await this.#another("missing", shown, asking.signal);
        continue;
      }
      try {
        const answer = await super.fetch(path, params, asking);
        ended.throwIfAborted();
        this.#took(shown);
        return answer;
      } catch (error) {
        ended.throwIfAborted();
        if (error instanceof ApiError && error.status === 401) await this.#another("refused", shown, asking.signal);
        else {
          if (error instanceof ApiError && error.status !== 0) this.#took(shown);
          if (error instanceof ApiError) this.watching.failed(error);
          throw error;
        }
      }
    }
  }

  #took(shown: string): void {
    if (shown === this.token) this.watching.taken();
  }

  /** Waits for another token than the one that was shown. */
  async #another(reason: "missing" | "refused", shown: string | null, asked: AbortSignal | undefined): Promise<void> {
    if (this.token !== shown) return;
    const ends = asked ? [asked, this.#ended.signal] : [this.#ended.signal];
    for (const signal of ends) signal.throwIfAborted();
    await new Promise<void>((go, stop) => {
      const done = () => {
        this.#waiting.delete(done);
        for (const signal of ends) signal.removeEventListener("abort", done);
        if (ends.some((signal) => signal.aborted)) stop(new DOMException("aborted", "AbortError"));
        else go();
      };
      this.#waiting.add(done);
      for (const signal of ends) signal.addEventListener("abort", done);
      this.watching.needed(reason);
    });
  }
}

/**
 * Fires `annals-token-needed` (detail: `{ reason }`) and `annals-error` (detail: `{ code, status, message }`), both also outside.
 */
@customElement("annals-log")
export class LogElement extends LitElement {
  /** Origin of the server; where this file came from when left out. */
  @property() src = "";
  /** A viewer token of that server. Another of the same terms goes on with what is shown; any other, or none, begins anew. */
  @property() token: string | null = "";
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
  @state() private needed: Exclude<Reason, "expires"> | null = null;
  protected readonly watch = new Watch(this as unknown as LitElement & { viewer: Viewer });
  #api: TokenApi | null = null;
  #shown: View | null = null;
  #terms: Terms = termsOf("");
  #back: View[] = [];
  readonly #renewal = new Renewal(
    (reason) => this.#tell("annals-token-needed", { reason }),
    () => this.#api?.waits ?? false,
  );

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
    if (this.needed !== null && this.#api?.waits) this.#renewal.need(this.needed);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#renewal.stop();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const told = this.lang || this.parentElement?.closest<HTMLElement>("[lang]")?.lang;
    const language = languageFor(told ? [told] : navigator.languages);
    const before = this.#terms.scope;
    this.#terms = termsOf(this.#held ?? "");
    if (changed.has("expiresAt") || changed.has("token")) this.#remind();
    // What one person saw stays for nobody else.
    const anew = !this.viewer || changed.has("src") || this.#terms.scope !== before;
    if (anew) this.#begin();
    const viewer = this.viewer as Viewer;
    if (viewer.language !== language) viewer.language = language;
    if (anew) return;
    if (changed.has("view") || changed.has("last")) viewer.go(this.#start());
    if (changed.has("token") || changed.has("export")) this.#use();
  }

  /** The token at hand. */
  get #held(): string | null {
    return this.token?.trim() || null;
  }

  /** Begins anew, with nothing of what was before. */
  #begin(): void {
    this.#api?.end();
    this.#back = [];
    this.needed = null;
    const watching: Watching = {
      needed: (reason) => this.#need(reason),
      taken: () => this.#renewal.taken(),
      failed: (error) => this.#tell("annals-error", { code: error.code, status: error.status, message: error.message }),
    };
    this.#api = new TokenApi(this.src ? new URL(this.src, location.href).origin : HOME, watching);
    const viewer = new Viewer(this.#api, (view, replace) => this.#went(view, replace));
    viewer.can = { export: this.export, verify: false, access: false, views: false, pages: true, words: true };
    if (this.viewer) viewer.zone = this.viewer.zone;
    viewer.view = this.#start();
    this.#shown = viewer.view;
    this.viewer = viewer;
    this.#use();
  }

  /** Goes on with the token at hand. */
  #use(): void {
    const { viewer } = this;
    if (viewer) {
      viewer.hidden = this.#terms.hide;
      // Where something is hidden, words cannot be asked for: they would look everywhere.
      viewer.can = { ...viewer.can, export: this.export || this.#terms.export, words: this.#terms.hide.length === 0 };
      viewer.changed();
    }
    if (this.#held !== null) this.needed = null;
    this.#api?.use(this.#held);
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

  /** Has another token asked for in good time. */
  #remind(): void {
    const ends = this.expiresAt ? Date.parse(this.expiresAt) : this.#terms.untilMs;
    if (this.isConnected) this.#renewal.given(this.#held, ends);
  }

  #need(reason: "missing" | "refused"): void {
    this.needed = reason;
    this.#renewal.need(reason);
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
      <div class="main" lang=${viewer.language satisfies Language}>${keyed(viewer, this.#page(viewer))}</div>`;
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
