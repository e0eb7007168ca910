/** Follows what happens as it happens: on, off, paused, and how it goes. */

import { LitElement, css, html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import { icons } from "../icons.js";
import { LiveTail, type TailState } from "../live.js";
import { liveText } from "../text/live.js";
import { base } from "../theme.js";
import { type Viewer, Watch } from "../viewer.js";

/**
 * `<annals-live-bar .viewer .tail>`. Switches `view.live`; whoever owns the tail starts and stops it by that. Pausing and resuming it
 * does itself.
 */
@customElement("annals-live-bar")
export class LiveBar extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property({ attribute: false }) tail!: LiveTail;
  protected readonly watch = new Watch(this);
  #watched: LiveTail | null = null;
  /** What a screen reader was told last: once for each state, however often it counts or tries again. */
  #told = { name: "off", says: "" };
  readonly #draw = () => this.requestUpdate();

  static override styles = [
    base,
    css`
      :host { display: inline-flex; align-items: center; gap: 6px; flex-wrap: wrap; min-width: 0; }
      .dot { flex: none; width: 8px; height: 8px; border-radius: 50%; background: var(--line-strong); }
      .dot.live { background: var(--good); animation: pulse 2s ease-in-out infinite; }
      .dot.wait { background: var(--warn); }
      .dot.bad { background: var(--bad); }
      .says { font-size: 13px; color: var(--text-2); overflow-wrap: anywhere; }
      .says:empty { display: none; }
      .says.bad { color: var(--bad); }
      @keyframes pulse { 50% { opacity: 0.35; } }
    `,
  ];

  override willUpdate() {
    if (this.#watched === this.tail) return;
    this.#watched?.removeEventListener("state", this.#draw);
    this.#watched = this.tail;
    this.#watched?.addEventListener("state", this.#draw);
  }

  override disconnectedCallback() {
    super.disconnectedCallback();
    this.#watched?.removeEventListener("state", this.#draw);
    this.#watched = null;
  }

  override connectedCallback() {
    super.connectedCallback();
    this.requestUpdate();
  }

  override render() {
    if (!LiveTail.follows(this.viewer.view)) return nothing;
    const t = liveText(this.viewer.language);
    const on = this.viewer.view.live;
    const state: TailState = on ? this.tail.state : { name: "off" };
    const says = this.#says(state);
    if (state.name !== "connecting" && state.name !== this.#told.name) this.#told = { name: state.name, says };
    const dot = { off: "", connecting: "wait", live: "live", paused: "wait", reconnecting: "wait", ended: "bad" }[state.name];
    return html`<button aria-pressed=${on} title=${on ? t.stop : t.follow} @click=${() => this.viewer.patch({ live: !on }, true)}>
        <span class="dot ${dot}" aria-hidden="true"></span>${t.live}
      </button>
      ${this.#action(state)}
      <span class="says ${state.name === "ended" ? "bad" : ""}" aria-hidden="true">${says}</span>
      <span class="unseen" role="status" aria-live="polite">${this.#told.says}</span>`;
  }

  #action(state: TailState) {
    const t = liveText(this.viewer.language);
    if (state.name === "live") return html`<button class="plain" @click=${() => this.tail.pause()}>${icons.pause}${t.pause}</button>`;
    if (state.name === "paused") {
      const label = state.waiting ? t.resumeWith(state.waiting, state.more) : t.resume;
      return html`<button class="primary" @click=${() => this.tail.resume()}>${icons.play}${label}</button>`;
    }
    if (state.name === "ended" || state.name === "reconnecting") return html`<button class="plain" @click=${() => this.tail.resume()}>${t.again}</button>`;
    return nothing;
  }

  #says(state: TailState): string {
    const t = liveText(this.viewer.language);
    switch (state.name) {
      case "off": return "";
      case "connecting": return t.connecting;
      case "live": return t.following;
      case "paused": return t.paused;
      case "reconnecting": return t.reconnecting(state.seconds);
      case "ended":
        if (state.error.status === 401) return t.signedOut;
        if (state.error.status === 403) return t.denied;
        return state.error.code === "malformed_stream" ? t.malformed : `${t.ended}: ${state.error.message}`;
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-live-bar": LiveBar;
  }
}
