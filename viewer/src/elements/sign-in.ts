/** Signs in: by a key, by a link that is good once, or through an identity provider. */

import { LitElement, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { ApiError } from "../api/client.js";
import type { Session } from "../api/types.js";
import { asApiError } from "../explorer/finder.js";
import { icons } from "../icons.js";
import { common } from "../text/common.js";
import { sessionText } from "../text/session.js";
import { base } from "../theme.js";
import { type Viewer, Watch } from "../viewer.js";

/** `GET /v1/session/ways`. */
interface Ways {
  key: boolean;
  oidc: { label: string; path: string } | null;
}

/** Longest place to be led back to that the server takes, bytes. */
const RETURN_BYTES_MAX = 1_024;

const EYE = html`<svg width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" aria-hidden="true">
  <path d="M1.5 8C3 5 5.3 3.6 8 3.6S13 5 14.5 8C13 11 10.7 12.4 8 12.4S3 11 1.5 8z"/><circle cx="8" cy="8" r="2"/></svg>`;

/** `<annals-sign-in .viewer>`; fires `signed-in`. */
@customElement("annals-sign-in")
export class SignInElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @state() private shown = false;
  @state() private busy = false;
  @state() private byLink = false;
  @state() private error: string | null = null;
  /** Who is signed in already, and may not become another by a link that somebody else made. */
  @state() private held: Session | null = null;
  @state() private ticket: string | null = null;
  @state() private ways: Ways | null = null;
  protected readonly watch = new Watch(this);

  static override styles = [
    base,
    css`
      :host { display: grid; place-items: center; padding: 24px 16px; background: var(--ground-2); overflow: auto; }
      .box { width: min(420px, 100%); display: grid; gap: 16px; padding: 28px 26px; border: 1px solid var(--line); border-radius: calc(var(--radius) + 6px); background: var(--ground); box-shadow: var(--shadow); }
      h1 { display: flex; gap: 10px; align-items: center; font-size: 21px; letter-spacing: -0.01em; }
      .mark { flex: none; display: grid; gap: 5px; align-content: center; justify-items: start; width: 34px; height: 34px; padding: 9px; border-radius: 9px; background: var(--accent); }
      .mark i { display: block; height: 2.5px; width: 16px; border-radius: 2px; background: var(--on-accent); } .mark i:last-child { width: 10px; }
      p { margin: 0; overflow-wrap: anywhere; }
      .choice { display: grid; gap: 8px; }
      .choice button { justify-content: center; min-height: 38px; font-weight: 600; }
      form { display: grid; gap: 12px; }
      label { display: grid; gap: 4px; font-weight: 500; }
      .input { display: flex; gap: 6px; }
      .input input { flex: 1; min-width: 0; min-height: 38px; }
      .hint { font-size: 13px; color: var(--text-2); }
      .primary, .oidc { justify-content: center; min-height: 38px; font-weight: 600; }
      .oidc { display: flex; align-items: center; border: 1px solid var(--line-strong); border-radius: var(--radius); color: var(--text); text-decoration: none; }
      .oidc:hover { background: var(--ground-3); }
      .or { display: flex; align-items: center; gap: 10px; color: var(--text-2); font-size: 13px; }
      .or::before, .or::after { content: ""; flex: 1; border-top: 1px solid var(--line); }
      .error { display: flex; gap: 8px; padding: 10px 12px; border-radius: var(--radius); background: var(--bad-ground); overflow-wrap: anywhere; }
      .error svg { flex: none; margin-top: 2px; color: var(--bad); }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    void this.#begin();
  }

  async #begin(): Promise<void> {
    await this.updateComplete;
    const address = new URL(location.href);
    const ticket = address.searchParams.get("ticket");
    if (ticket !== null) {
      // The ticket stays in no history, whatever becomes of it.
      address.searchParams.delete("ticket");
      history.replaceState(null, "", address.pathname + address.search);
      if (await this.#follow(ticket)) return;
    }
    this.ways = await this.viewer.api.json<Ways>("/v1/session/ways").catch(() => null);
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>("#key")?.focus();
  }

  /** Signs in by a link, unless somebody is: then they are asked first. True where there is no form to be filled in. */
  async #follow(ticket: string): Promise<boolean> {
    this.byLink = true;
    try {
      this.held = await this.viewer.api.json<Session>("/v1/session");
      this.ticket = ticket;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return this.#enter({ ticket });
      this.error = this.#words(asApiError(error), true);
    } finally {
      this.byLink = false;
    }
    if (this.held === null) return false;
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>(".stay")?.focus();
    return true;
  }

  /** The address is that of signing in, not of something to be seen afterwards. */
  get #linked(): boolean {
    return location.pathname.replace(/\/$/, "").endsWith("/sign-in");
  }

  override render() {
    const t = sessionText(this.viewer.language);
    return html`<div class="box">
      <h1><span class="mark" aria-hidden="true"><i></i><i></i><i></i></span>annals</h1>
      ${this.byLink ? html`<p role="status">${t.byLink}</p>` : this.held ? this.#question(this.held) : html`<p class="quiet">${t.intro}</p>${this.#failed()}${this.#oidc()}${this.#form()}`}
    </div>`;
  }

  #question(held: Session) {
    const t = sessionText(this.viewer.language);
    const name = held.email ?? held.name ?? held.key_id;
    const { ticket } = this;
    return html`${this.#failed()}
      ${ticket === null ? nothing : html`<p><strong>${t.signedInAs(name)}</strong></p><p class="quiet">${t.signedInAsHelp}</p>`}
      <div class="choice">
        <button class="stay primary" @click=${this.#leave}>${t.stay(name)}</button>
        ${ticket === null ? nothing : html`<button @click=${() => void this.#enter({ ticket })}>${t.useLink}</button>`}
      </div>`;
  }

  #failed() {
    return this.error === null ? nothing : html`<div class="error" role="alert">${icons.warn}<span>${this.error}</span></div>`;
  }

  #oidc() {
    const oidc = this.ways?.oidc;
    if (!oidc) return nothing;
    const t = sessionText(this.viewer.language);
    const here = location.pathname + location.search;
    const back = this.#linked || here.length > RETURN_BYTES_MAX ? "/viewer" : here;
    return html`<a class="oidc" href=${this.viewer.api.url(oidc.path, { return_to: back })} dir="auto">${t.oidc(oidc.label)}</a><div class="or">${t.or}</div>`;
  }

  #form() {
    const t = sessionText(this.viewer.language);
    return html`<form @submit=${this.#submit}>
      <label for="key">${t.key}</label>
      <input type="text" name="username" autocomplete="username" value="annals" hidden />
      <div class="input">
        <input id="key" name="key" type=${this.shown ? "text" : "password"} autocomplete="current-password" spellcheck="false" autocapitalize="off" required aria-describedby="hint"
          aria-invalid=${this.error === null ? "false" : "true"} />
        <button type="button" aria-pressed=${this.shown} aria-label=${t.show} title=${t.show} class="icon" @click=${() => (this.shown = !this.shown)}>${EYE}</button>
      </div>
      <span id="hint" class="hint">${t.keyHint}</span>
      <button class="primary" ?disabled=${this.busy}>${this.busy ? t.signingIn : t.signIn}</button>
    </form>`;
  }

  readonly #submit = (event: Event) => {
    event.preventDefault();
    const field = this.renderRoot.querySelector<HTMLInputElement>("#key");
    const key = field?.value.trim() ?? "";
    if (key === "") {
      this.error = sessionText(this.viewer.language).emptyKey;
      return;
    }
    void this.#enter({ key });
  };

  /** Leads to what is to be seen, as whoever is signed in now. */
  readonly #leave = () => {
    if (this.#linked) history.replaceState(null, "", "/viewer");
    this.dispatchEvent(new CustomEvent("signed-in", { bubbles: true, composed: true }));
  };

  /** True where it worked. */
  async #enter(by: { key: string } | { ticket: string }): Promise<boolean> {
    this.ticket = null;
    this.busy = true;
    this.byLink = "ticket" in by;
    this.error = null;
    try {
      await this.viewer.api.json("/v1/session", {}, { method: "POST", body: by });
      this.#leave();
      return true;
    } catch (error) {
      this.error = this.#words(asApiError(error), "ticket" in by);
    } finally {
      this.busy = false;
      this.byLink = false;
    }
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLInputElement>("#key")?.select();
    return false;
  }

  #words(error: ApiError, ticket: boolean): string {
    const t = sessionText(this.viewer.language);
    const c = common(this.viewer.language);
    if (error.status === 0) return c.unreachable;
    if (error.status === 401) return ticket ? t.usedLink : t.wrongKey;
    if (error.code === "cross_origin") return t.elsewhere;
    if (error.status === 503 || error.status === 429) return t.busy;
    return `${c.failed}: ${error.message}`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-sign-in": SignInElement;
  }
}
