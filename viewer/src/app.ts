/** The built-in viewer: signs in, chooses a tenant, and shows what the address says. */

import { LitElement, css, html, nothing } from "lit";
import { customElement, state } from "lit/decorators.js";
import { ApiError } from "./api/client.js";
import type { Session } from "./api/types.js";
import { asApiError } from "./explorer/finder.js";
import * as first from "./first.js";
import { icons } from "./icons.js";
import { later } from "./later.js";
import { common } from "./text/common.js";
import { explorer } from "./text/explorer.js";
import { LANGUAGES, type Language, languageFor } from "./text/words.js";
import { base, theme } from "./theme.js";
import { type View, formatView, parseView } from "./view/view.js";
import { Viewer, Watch } from "./viewer.js";
import "./elements/explorer.js";

/** Pages that not everybody opens. */
const pages = {
  actor: () => import("./elements/actor-page.js"),
  target: () => import("./elements/target-page.js"),
  signIn: () => import("./elements/sign-in.js"),
};

/** Where the viewer's pages are. */
const BASE = "/viewer";

/** Tenants that are offered in a list; others can be typed. */
const TENANTS_LISTED = 1_000;

/** What keys do. */
const KEYS = [
  ["/", "keySearch"], ["↑ ↓", "keyMove"], ["Enter", "keyOpen"], ["Esc", "keyClose"], ["r", "keyRefresh"], ["l", "keyLive"], ["e", "keyExport"], ["?", "keyHelp"],
] as const;

type Scheme = "auto" | "light" | "dark";

/** `<annals-app>`. */
@customElement("annals-app")
export class AppElement extends LitElement {
  readonly viewer = new Viewer(first.api, (view, replace) => this.#write(view, replace));
  /** Undefined until the server said whether somebody is signed in. */
  @state() private session: Session | null | undefined;
  @state() private tenants: string[] = [];
  @state() private error: ApiError | null = null;
  /** Why nobody could be signed out. */
  @state() private stuck: ApiError | null = null;
  @state() private scheme: Scheme = (remembered("scheme") as Scheme | null) ?? "auto";
  protected readonly watch = new Watch(this);

  static override styles = [
    theme,
    base,
    css`
      :host { height: 100dvh; display: flex; flex-direction: column; }
      header { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 14px; padding: 6px 12px; border-bottom: 1px solid var(--line); background: var(--ground-2); min-height: 46px; }
      .brand { display: flex; align-items: center; gap: 8px; font-weight: 650; letter-spacing: -0.01em; color: var(--text); text-decoration: none; }
      .brand img { width: 20px; height: 20px; }
      nav { display: flex; gap: 2px; }
      nav a { padding: 5px 9px; border-radius: var(--radius); color: var(--text-2); text-decoration: none; }
      nav a:hover { background: var(--ground-3); }
      nav a[aria-current] { color: var(--text); font-weight: 600; background: var(--ground-3); }
      .end { margin-inline-start: auto; display: flex; flex-wrap: wrap; gap: 4px; align-items: center; }
      .end select { border-color: transparent; background: none; }
      main { flex: 1; min-height: 0; display: flex; flex-direction: column; }
      main > :not(h1) { flex: 1; min-height: 0; }
      .state { display: grid; place-content: center; gap: 10px; text-align: center; padding: 20px; }
      .stuck { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; padding: 8px 12px; background: var(--bad-ground); border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
      .stuck svg { flex: none; color: var(--bad); }
      .who { max-width: 22ch; color: var(--text-2); font-size: 13px; }
      .skip { position: absolute; inset-inline-start: 8px; top: -60px; z-index: 50; background: var(--ground); padding: 8px 12px; border: 1px solid var(--line); border-radius: var(--radius); }
      .skip:focus { top: 6px; }
      .menu { position: relative; }
      .menu summary { list-style: none; display: inline-flex; padding: 6px; border-radius: var(--radius); cursor: pointer; }
      .menu summary::-webkit-details-marker { display: none; }
      .menu summary:hover { background: var(--ground-3); }
      .menu > div {
        position: absolute; z-index: 40; inset-inline-end: 0; top: calc(100% + 4px); display: grid; gap: 6px; min-width: 220px; padding: 12px; border: 1px solid var(--line);
        border-radius: var(--radius); background: var(--ground); box-shadow: var(--shadow);
      }
      .menu label { display: grid; gap: 2px; font-size: 12px; color: var(--text-2); }
      .menu a { padding: 4px 0; }
      .menu .who { max-width: none; overflow-wrap: anywhere; }
      .keys { padding-block: 8px; border-block: 1px solid var(--line); font-size: 13px; }
      .keys dl { display: grid; gap: 3px; margin: 6px 0 0; }
      .keys dl div { display: flex; gap: 10px; }
      .keys dt { flex: 0 0 52px; }
      .keys dd { margin: 0; color: var(--text-2); }
      kbd { font: 12px var(--mono); border: 1px solid var(--line); border-radius: 4px; padding: 1px 5px; }
      .brand span { display: inline; }
      @media (max-width: 620px) { header { padding: 4px 8px; gap: 4px 8px; } .brand span { display: none; } nav a { padding: 5px 6px; } header > select { flex: 1 1 96px; min-width: 0; width: 0; } }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    this.viewer.zone = remembered("zone") === "utc" ? "utc" : "local";
    this.viewer.language = (remembered("language") as Language | null) ?? languageFor(navigator.languages);
    this.viewer.api.onSignedOut = () => (this.session = null);
    this.viewer.addEventListener("change", this.#keep);
    addEventListener("popstate", this.#read);
    addEventListener("keydown", this.#help);
    this.#read();
    this.viewer.opening = first.opening;
    void this.#who(first.session);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener("popstate", this.#read);
    removeEventListener("keydown", this.#help);
    this.viewer.removeEventListener("change", this.#keep);
  }

  override render() {
    this.setAttribute("scheme", this.scheme);
    document.documentElement.lang = this.viewer.language;
    if (this.error) return this.#failed(this.error);
    if (this.session === undefined) return html`<div class="state quiet" role="status">${common(this.viewer.language).loading}</div>`;
    if (this.session === null || this.#signingIn) {
      void pages.signIn();
      return html`<main><annals-sign-in .viewer=${this.viewer} @signed-in=${this.#signedIn}></annals-sign-in></main>`;
    }
    return html`${this.#header(this.session)}${this.#stillSignedIn()}<main>${this.#page()}</main>`;
  }

  /** A one-time link was followed. */
  get #signingIn(): boolean {
    return location.pathname === `${BASE}/sign-in`;
  }

  #page() {
    const { viewer } = this;
    switch (viewer.view.page) {
      case "actor":
        void pages.actor();
        return html`<annals-actor .viewer=${viewer}></annals-actor>`;
      case "target":
        void pages.target();
        return html`<annals-target .viewer=${viewer}></annals-target>`;
      default:
        return html`<h1 class="unseen">${this.#title()}</h1><annals-explorer .viewer=${viewer} @shown=${() => later([pages.actor, pages.target])}></annals-explorer>`;
    }
  }

  /** What the page is about, for whoever does not see it. */
  #title(): string {
    const t = explorer(this.viewer.language);
    const { page, tenant } = this.viewer.view;
    return `${page === "access" ? t.access : t.events}: ${tenant ?? this.session?.tenant ?? t.allTenants}`;
  }

  #header(session: Session) {
    const { viewer } = this;
    const t = explorer(viewer.language);
    const { view } = viewer;
    return html`<header>
        <button class="skip" @click=${this.#skip}>${view.subject ? t.skipToPage : t.skip}</button>
        <a class="brand" aria-label="annals" href=${BASE} @click=${(event: MouseEvent) => this.#link(event, this.#fresh("events"))}><img src="/viewer/assets/icon.svg" alt="" /><span>annals</span></a>
        ${session.tenant === null ? this.#tenantChoice() : html`<span class="quiet cut">${session.tenant}</span>`}
        <nav>
          ${(["events", "access"] as const).map((page) => (page === "access" && !viewer.can.access ? nothing : html`<a href=${formatView(this.#fresh(page), BASE)}
            aria-current=${(view.page === "access") === (page === "access") ? "page" : nothing} @click=${(event: MouseEvent) => this.#link(event, this.#fresh(page))}>${t[page]}</a>`))}
        </nav>
        <div class="end">
          <details class="menu" @keydown=${this.#closeMenu} @focusout=${this.#leaveMenu}>
            <summary aria-label=${t.menu} title=${t.menu}>${icons.user}</summary>
            <div>
              <span class="who">${t.signedInAs} ${session.email ?? session.name ?? session.key_id}</span>
              <label>${t.language}<select .value=${viewer.language} @change=${(event: Event) => this.#speak((event.target as HTMLSelectElement).value as Language)}>
                ${Object.entries(LANGUAGES).map(([code, name]) => html`<option value=${code} lang=${code} ?selected=${code === viewer.language}>${name}</option>`)}
              </select></label>
              <label>${t.scheme}<select @change=${(event: Event) => this.#paint((event.target as HTMLSelectElement).value as Scheme)}>
                ${(["auto", "light", "dark"] as const).map((scheme) => html`<option value=${scheme} ?selected=${scheme === this.scheme}>${t[scheme]}</option>`)}
              </select></label>
              <a href="/docs">${t.apiDocs}</a>
              <a href="/verify">${t.verifyPage}</a>
              <section class="keys" aria-label=${t.shortcuts}><h2>${t.shortcuts}</h2>
                <dl>${KEYS.map(([key, does]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${t[does]}</dd></div>`)}</dl></section>
              <button @click=${this.#signOut}>${t.signOut}</button>
            </div>
          </details>
        </div>
      </header>`;
  }

  #stillSignedIn() {
    if (this.stuck === null) return nothing;
    const t = explorer(this.viewer.language);
    const c = common(this.viewer.language);
    return html`<div class="stuck" role="alert">${icons.warn}<span>${t.signOutFailed} (${this.stuck.status === 0 ? c.unreachable : this.stuck.message})</span>
      <button @click=${this.#signOut}>${t.signOutAgain}</button></div>`;
  }

  #tenantChoice() {
    const t = explorer(this.viewer.language);
    const { tenant } = this.viewer.view;
    const listed = tenant === null || this.tenants.includes(tenant) ? this.tenants : [tenant, ...this.tenants];
    return html`<select aria-label=${t.chooseTenant} @change=${(event: Event) => this.#choose((event.target as HTMLSelectElement).value || null)}>
      ${this.viewer.view.page === "access" ? nothing : html`<option value="" ?selected=${tenant === null}>${t.allTenants}</option>`}
      ${listed.map((one) => html`<option value=${one} ?selected=${one === tenant}>${one}</option>`)}
    </select>`;
  }

  #failed(error: ApiError) {
    const c = common(this.viewer.language);
    return html`<div class="state" role="alert"><h2>${error.status === 0 ? c.unreachable : c.failed}</h2><p class="quiet">${error.message}</p>
      <p><button class="primary" @click=${() => void this.#who()}>${c.retry}</button></p></div>`;
  }

  async #who(asked = this.viewer.api.json<Session>("/v1/session")): Promise<void> {
    this.error = null;
    try {
      this.#enter(await asked);
    } catch (error) {
      // What was asked beside it found nobody signed in either.
      this.viewer.opening = null;
      if (error instanceof ApiError && error.status === 401) this.session = null;
      else this.error = asApiError(error);
    }
  }

  #enter(session: Session): void {
    this.stuck = null;
    this.session = session;
    const can = (scope: string) => session.scopes.includes(scope);
    this.viewer.session = session;
    this.viewer.can = { export: can("export"), verify: can("verify"), access: can("read"), views: true, pages: true, words: true };
    this.viewer.changed();
    // While a link asks whether to be followed, the address stays its own.
    if (session.tenant === null && !this.#signingIn) void this.#listTenants();
  }

  async #listTenants(): Promise<void> {
    let tenants: string[] = [];
    try {
      const answer = await this.viewer.api.json<{ tenants: { id: string }[] }>("/v1/tenants", { limit: TENANTS_LISTED });
      tenants = answer.tenants.map((tenant) => tenant.id).filter((id) => !id.startsWith("_"));
    } catch {
      // Whoever may not list them still sees the one that the address names.
    }
    // There may be a thousand, and the first rows are drawn before them.
    later([async () => void (this.tenants = tenants)]);
    // Reads over all tenants are for who wants them; most want one, and its names and pages are whole.
    const [first] = tenants;
    if (this.viewer.view.tenant === null && first !== undefined && (tenants.length === 1 || this.viewer.view.page === "access")) {
      this.viewer.patch({ tenant: first }, true);
    }
  }

  #signedIn = () => {
    if (this.#signingIn) history.replaceState(null, "", BASE);
    this.#read();
    void this.#who();
  };

  #signOut = async () => {
    this.stuck = null;
    try {
      await this.viewer.api.json("/v1/session", {}, { method: "DELETE" });
    } catch (error) {
      // Whoever is not signed in any more is signed out.
      if (!(error instanceof ApiError && error.status === 401)) {
        this.stuck = asApiError(error);
        return;
      }
    }
    this.session = null;
  };

  /** Shows the keys there are, at the key that asks for them. */
  readonly #help = (event: KeyboardEvent) => {
    const inside = event.composedPath()[0] as HTMLElement;
    const menu = this.renderRoot.querySelector<HTMLDetailsElement>("details.menu");
    if (event.key !== "?" || event.defaultPrevented || !menu || /^(INPUT|TEXTAREA|SELECT)$/.test(inside.tagName)) return;
    event.preventDefault();
    menu.open = true;
    menu.querySelector("summary")?.focus();
  };

  #closeMenu = (event: KeyboardEvent) => {
    const menu = event.currentTarget as HTMLDetailsElement;
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary")?.focus();
    event.stopPropagation();
  };

  #leaveMenu = (event: FocusEvent) => {
    const menu = event.currentTarget as HTMLDetailsElement;
    if (event.relatedTarget instanceof Node && !menu.contains(event.relatedTarget)) menu.open = false;
  };

  #choose(tenant: string | null): void {
    const { view } = this.viewer;
    this.viewer.go({ ...view, tenant, page: view.page === "access" ? "access" : "events", subject: null, event: null });
  }

  /** The same stretch of another page, without what was asked on this one. */
  #fresh(page: "events" | "access"): View {
    const { view } = this.viewer;
    const tenant = view.tenant ?? (page === "access" ? (this.tenants[0] ?? null) : null);
    return { ...view, page, tenant, terms: [], q: "", filter: "", event: null, subject: null, at: null, live: false };
  }

  #link(event: MouseEvent, view: View): void {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    this.viewer.go(view);
  }

  #skip = () => {
    const page = this.renderRoot.querySelector<LitElement>("main > annals-explorer, main > annals-actor, main > annals-target");
    const table = page?.renderRoot.querySelector<HTMLElement>("annals-table");
    if (table) return table.focus();
    // What takes no focus by itself takes it this once: what is read next follows it.
    const beginning = page?.renderRoot.querySelector<HTMLElement>("h1, .found");
    if (!beginning) return;
    beginning.tabIndex = -1;
    beginning.focus();
  };

  #speak(language: Language): void {
    this.viewer.language = language;
  }

  #paint(scheme: Scheme): void {
    this.scheme = scheme;
    remember("scheme", scheme);
  }

  readonly #read = () => {
    this.viewer.view = parseView(location.pathname, new URLSearchParams(location.search));
    this.viewer.changed();
  };

  #write(view: View, replace: boolean): void {
    const address = formatView(view, BASE);
    if (address === location.pathname + location.search) return;
    if (replace) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  }

  readonly #keep = () => {
    remember("zone", this.viewer.zone);
    remember("language", this.viewer.language);
    const { view } = this.viewer;
    const what = view.subject?.id ?? view.tenant ?? this.session?.tenant;
    document.title = what ? `${what} – annals` : "annals";
  };
}

/** What this browser remembers of how the reader likes it; nothing where it may not. */
function remembered(name: string): string | null {
  try {
    return localStorage.getItem(`annals.${name}`);
  } catch {
    return null;
  }
}

function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`annals.${name}`, value);
  } catch {
    // It is asked again next time.
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-app": AppElement;
  }
}
