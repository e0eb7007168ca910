/** An event's proof, checked in the reader's own browser: three lines, green only where something was really checked. */

import { LitElement, type TemplateResult, css, html, nothing } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import type { AuditEvent } from "../../api/types.js";
import { icons } from "../../icons.js";
import { common } from "../../text/common.js";
import { eventText } from "../../text/event.js";
import type { Gone } from "../../proof/erasure.js";
import { base } from "../../theme.js";
import { instant, offsetName } from "../../view/time.js";
import { type Viewer, Watch } from "../../viewer.js";
import { type Partly, type Proven, forgetLog, notMade, prove } from "./proving.js";
import { Seen } from "./seen.js";
import { copyText, shellQuoted } from "./sentence.js";

type State = "good" | "partly" | "bad" | "neutral" | "unchecked" | "checking";

const MARKS: Record<State, TemplateResult> = {
  good: icons.check, partly: icons.minus, bad: icons.warn, neutral: icons.minus, unchecked: icons.minus, checking: icons.clock,
};

/** Erased parts that are listed one by one. */
const GONE_SHOWN = 20;

/** `<annals-proof .viewer .event .tenant>`; the event keeps the digits of its numbers (`parseExact`). */
@customElement("annals-proof")
export class ProofElement extends LitElement {
  @property({ attribute: false }) viewer!: Viewer;
  @property({ attribute: false }) event!: AuditEvent;
  @property({ attribute: false }) tenant: string | null = null;
  @state() private found: Partly = {};
  @state() private said = "";
  #checking: AbortController | null = null;
  protected readonly watch = new Watch(this);
  protected readonly seen = new Seen(this, () => void this.#check());

  static override styles = [
    base,
    css`
      :host { display: block; }
      ol { list-style: none; margin: 0; padding: 0; display: grid; gap: 8px; }
      .line { display: grid; grid-template-columns: 22px minmax(0, 1fr) auto; gap: 2px 8px; padding: 8px 10px; border: 1px solid var(--line); border-radius: var(--radius); }
      .line strong { font-weight: 600; overflow-wrap: anywhere; }
      .line p { grid-column: 2 / -1; margin: 0; color: var(--text-2); font-size: 13px; overflow-wrap: anywhere; }
      .mark { display: inline-flex; align-self: start; justify-self: start; margin-top: 2px; color: var(--text-2); }
      .word { font-size: 12px; color: var(--text-2); padding-top: 2px; white-space: nowrap; }
      .good { border-color: color-mix(in srgb, var(--good) 45%, var(--ground)); background: var(--good-ground); }
      .good .mark, .good .word { color: var(--good); }
      .partly { border-color: color-mix(in srgb, var(--warn) 45%, var(--ground)); background: var(--warn-ground); }
      .partly .mark, .partly .word { color: var(--warn); }
      .bad { border-color: var(--bad); background: var(--bad-ground); }
      .bad .mark, .bad .word { color: var(--bad); }
      .bad p { color: var(--text); }
      .checking .mark { animation: turn 1.6s linear infinite; }
      @keyframes turn { to { rotate: 360deg; } }
      details { margin-top: 10px; }
      summary { cursor: pointer; color: var(--text-2); border-radius: 4px; min-height: 24px; }
      dl { display: grid; grid-template-columns: minmax(80px, max-content) minmax(0, 1fr); gap: 4px 12px; margin: 8px 0; font-size: 13px; }
      dt { color: var(--text-2); }
      dd { margin: 0; overflow-wrap: anywhere; }
      .note { font-size: 13px; color: var(--text-2); margin: 8px 0; }
      pre { margin: 8px 0; padding: 8px 10px; background: var(--ground-2); border-radius: var(--radius); white-space: pre-wrap; overflow-wrap: anywhere; font: 12px/1.5 var(--mono); }
      .tools { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin-top: 8px; }
    `,
  ];

  override willUpdate(changed: Map<string, unknown>) {
    if (!changed.has("event")) return;
    this.#checking?.abort();
    this.found = {};
    this.said = "";
    this.seen.again();
  }

  override disconnectedCallback() {
    super.disconnectedCallback();
    this.#checking?.abort();
  }

  get #isAccess(): boolean {
    return this.viewer.view.page === "access";
  }

  override render() {
    const t = eventText(this.viewer.language);
    if (!this.viewer.can.verify) return html`<p class="note">${t.mayNotVerify}</p>`;
    if (this.#isAccess) return html`<p class="note">${t.accessProof}</p>`;
    const { inLog, sameLog, witnesses } = this.found;
    const failed = [inLog, sameLog, witnesses].some((line) => line?.state === "unchecked" || line?.state === "bad");
    return html`<ol aria-label=${t.proof} aria-live="polite" aria-busy=${!(inLog && sameLog && witnesses)}>${this.#inLog()}${this.#sameLog()}${this.#witnesses()}</ol>
      ${failed ? html`<div class="tools"><button @click=${() => void this.#check()}>${t.checkAgain}</button></div>` : nothing}
      ${this.#details()}`;
  }

  async #check() {
    if (!this.viewer.can.verify || this.#isAccess) return;
    this.#checking?.abort();
    const { signal } = (this.#checking = new AbortController());
    this.found = {};
    const show = (part: Partly) => {
      if (!signal.aborted) this.found = { ...this.found, ...part };
    };
    try {
      await prove(this.viewer, this.event, this.tenant, show, signal);
    } catch (error) {
      if (signal.aborted) return;
      const line = notMade(error, "failed");
      show({ inLog: line, sameLog: line, witnesses: line });
    }
  }

  #line(state: State, title: string, texts: readonly (string | typeof nothing)[], word?: string) {
    const t = eventText(this.viewer.language);
    return html`<li class="line ${state}"><span class="mark">${MARKS[state]}</span><strong>${title}</strong>
      <span class="word">${word ?? (state === "partly" ? t.inPart : t[state])}</span><p>${texts.filter((text) => text !== nothing && text !== "").join(" ")}</p></li>`;
  }

  #inLog() {
    const t = eventText(this.viewer.language);
    const line = this.found.inLog;
    if (!line) return this.#line("checking", t.inLog, []);
    if (line.state !== "good" && line.state !== "partly") return this.#line(line.state, t.inLog, [this.#why(line)]);
    const { position, size, receivedAtMs, gone = [], erasedBy = [], code } = line as Proven["inLog"];
    const held = t.inLogGood(this.#number(position), this.#number(size), this.#received(receivedAtMs), line.state === "good");
    if (line.state === "good") return this.#line("good", t.inLog, [held]);
    const entries = erasedBy.map((position) => this.#number(position)).join(", ");
    const texts = [held, t.inLogGone(gone.slice(0, GONE_SHOWN).map((one) => this.#gone(one)).join("; "), gone.length - GONE_SHOWN)];
    return this.#line("partly", t.inLogPartly, [...texts, code === "erased" ? t.erasureStated(entries) : t.erasureUnstated(entries)]);
  }

  #gone(gone: Gone): string {
    const t = eventText(this.viewer.language);
    return "reads" in gone ? t.standsIn(gone.name, gone.reads) : t.goneBetween(gone.count, gone.after, gone.before);
  }

  #sameLog() {
    const t = eventText(this.viewer.language);
    const line = this.found.sameLog as Proven["sameLog"] | undefined;
    if (!line) return this.#line("checking", t.sameLogAny, []);
    if (line.code === "first") return this.#line("neutral", t.firstSeen, [t.firstSeenHelp]);
    const title = line.at ? t.sameLog(this.#when(line.at)) : t.sameLogAny;
    if (line.state !== "good") return this.#line(line.state, title, [this.#why(line)]);
    return this.#line("good", title, [t.sameLogGood(this.#number(line.size), this.#when(line.since))]);
  }

  #witnesses() {
    const t = eventText(this.viewer.language);
    const line = this.found.witnesses as Proven["witnesses"] | undefined;
    if (!line) return this.#line("checking", t.witnessesAny, []);
    if (line.code === "none") return this.#line("neutral", t.noWitnesses, [t.noWitnessesHelp], "");
    if (line.code === "first") return this.#line("neutral", t.witnesses(line.seen ?? 0, line.of ?? 0), [t.witnessesFirst(line.fresh ?? "")], t.firstSeen);
    const title = line.of === undefined ? t.witnessesAny : t.witnesses(line.seen ?? 0, line.of);
    const fresh = line.state === "good" && line.fresh ? t.witnessesFresh(line.fresh) : nothing;
    const text = {
      good: line.at ? t.witnessesGood(this.#when(line.at)) : t.witnessesGoodUndated,
      later: t.witnessesLater(this.#number(line.size)), few: t.witnessesFew(line.quorum ?? 0), unseen: t.witnessesUnseen,
    }[line.code];
    return this.#line(line.state, title, [text ?? this.#why(line), fresh], line.state === "neutral" ? t.notYet : undefined);
  }

  #why(line: { code: string; detail?: string; at?: string; size?: number; names?: string; origin?: string; quorum?: number; before?: number }): string {
    const t = eventText(this.viewer.language);
    const when = this.#when(line.at);
    const known: Record<string, string> = {
      differs: t.whyDiffers, commitment: t.whyCommitment, opening: t.whyOpening, entry: t.whyEntry, received: t.whyReceived, occurred: t.whyOccurred, position: t.whyPosition,
      receipt: t.whyReceipt, note: t.whyCheckpoint, checkpoint: t.whyCheckpoint, key: t.whyKey, origin: t.whyOrigin, signature: t.whySignature,
      inclusion: t.whyInclusion, consistency: t.whyConsistency, key_changed: t.whyKeyChanged(when),
      origin_changed: t.whyOriginChanged(when, line.origin ?? ""), shorter: t.whyShorter(this.#number(line.size), when),
      cosignature: t.whyCosignature, witness_changed: t.whyWitnessChanged(line.names ?? ""), witnesses_gone: t.whyWitnessesGone(line.names ?? ""),
      quorum_lower: t.whyQuorumLower(line.quorum ?? 0, line.before ?? 0), unlisted: t.whyUnlisted, erasure: t.whyErasure, stand_in: t.whyStandIn,
      memory: t.whyStorage, storage: t.whyStorage, crypto: t.whyCrypto, ed25519: t.whyEd25519, forbidden: t.whyForbidden, unreachable: t.whyUnreachable,
      unopened: t.whyUnopened,
    };
    return known[line.code] ?? t.whyFailed(line.detail ?? line.code);
  }

  #details() {
    const t = eventText(this.viewer.language);
    const { inLog, log, receipt, memory } = this.found as Partial<Proven>;
    if (!log || !receipt) return nothing;
    const numbers = inLog?.state === "good" || inLog?.state === "partly" ? inLog : null;
    const rows: [string, string | undefined][] = [
      [t.origin, log.origin], [t.key, log.public_key], [t.position, numbers ? String(numbers.position) : undefined],
      [t.size, numbers ? String(numbers.size) : String(log.size)], [t.root, numbers?.root], [t.leaf, numbers?.leaf], [t.commitment, numbers?.commitment],
      [t.received, numbers ? this.#received(numbers.receivedAtMs) : undefined],
      [t.parts, numbers ? (numbers.units ? t.partsOf(numbers.units, numbers.erased ?? 0) : t.statement) : undefined],
      ...(log.witnesses ?? []).map(({ key }): [string, string] => [t.witnessKey, key]),
      [t.remembered, memory ? t.rememberedOf(this.#number(memory.size), this.#when(memory.since)) : undefined],
    ];
    // What the server calls its key is only handed to a shell once it was read as a key, and signed.
    const command = numbers ? `python3 check-receipt.py event.tlog-proof ${numbers.leaf} ${shellQuoted(log.public_key)}` : null;
    return html`<details><summary>${t.numbers}</summary>
      <dl>${rows.map(([name, value]) => (value === undefined ? nothing : html`<dt>${name}</dt><dd class="mono">${value}</dd>`))}</dl>
      <p class="note">${t.derivedHelp}</p>
      ${command ? html`<p class="note">${t.otherTools}</p><pre>${command}</pre>` : nothing}
      <div class="tools">
        <button @click=${() => this.#save(receipt)}>${icons.download} ${t.receipt}</button>
        ${command ? html`<button @click=${() => void this.#copy(command)}>${icons.copy} ${common(this.viewer.language).copy}</button>` : nothing}
        <a href=${`${this.viewer.api.base}/verify`} target="_blank" rel="noopener">${t.verifyPage}</a>
        ${memory ? html`<button title=${t.forgetHelp} @click=${() => this.#forget()}>${t.forget}</button>` : nothing}
        <span role="status" class="quiet">${this.said}</span>
      </div>
    </details>`;
  }

  #save(receipt: string) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([receipt], { type: "text/plain" }));
    link.download = "event.tlog-proof";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  async #copy(command: string) {
    this.said = (await copyText(command)) ? common(this.viewer.language).copied : eventText(this.viewer.language).copyFailed;
  }

  #forget() {
    forgetLog(this.viewer, this.tenant);
    void this.#check();
  }

  #number(n: number | undefined): string {
    return (n ?? 0).toLocaleString(this.viewer.language);
  }

  /** To the millisecond: an entry holds no more. */
  #received(ms: string | undefined): string {
    const at = new Date(Number(ms));
    if (Number.isNaN(at.getTime())) return "";
    const { zone } = this.viewer;
    return `${instant(at.toISOString(), zone, 3)} ${offsetName(zone, at)}`;
  }

  #when(text: string | undefined): string {
    if (!text) return "";
    const { zone } = this.viewer;
    return `${instant(text, zone)} ${offsetName(zone, new Date(text))}`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "annals-proof": ProofElement;
  }
}
