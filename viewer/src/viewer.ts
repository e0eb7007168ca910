/** What all elements share: the server, who looks, what is looked at. They watch it, and ask it to go elsewhere. */

import type { ReactiveController, ReactiveControllerHost } from "lit";
import type { Api } from "./api/client.js";
import { isHidden } from "./api/token.js";
import type { AuditEvent, Json, Session } from "./api/types.js";
import type { Asked } from "./explorer/asked.js";
import type { Language } from "./text/words.js";
import { nameOf } from "./view/fields.js";
import type { Zone } from "./view/time.js";
import { START, type View } from "./view/view.js";

/** What whoever looks may do beside reading. */
export interface Abilities {
  export: boolean;
  verify: boolean;
  /** Read who read. */
  access: boolean;
  /** Keep views under a name. */
  views: boolean;
  /** See pages of an actor and of a target. */
  pages: boolean;
  /** Ask for words anywhere; not where something is hidden. */
  words: boolean;
}

/** Names kept of actors and targets; older ones are forgotten beyond it. */
const NAMES_MAX = 5_000;

/** Fires `change` when anything of it is another. */
export class Viewer extends EventTarget {
  view: View = START;
  session: Session | null = null;
  /** What was asked before anything stood that could show it. */
  opening: Asked | null = null;
  can: Abilities = { export: true, verify: true, access: true, views: true, pages: true, words: true };
  /** Members of events that whoever looks neither sees nor can ask about, as a filter names them. */
  hidden: readonly string[] = [];
  #zone: Zone = "local";
  #language: Language = "en";
  #names = new Map<string, string>();

  constructor(
    readonly api: Api,
    /** Writes the view to where links are taken from; `replace` where going back should pass it over. */
    private readonly write: (view: View, replace: boolean) => void = () => {},
  ) {
    super();
  }

  get zone(): Zone {
    return this.#zone;
  }

  set zone(zone: Zone) {
    this.#zone = zone;
    this.changed();
  }

  get language(): Language {
    return this.#language;
  }

  set language(language: Language) {
    this.#language = language;
    this.changed();
  }

  /** Whether a member cannot be asked about. */
  hides(path: string): boolean {
    return isHidden(this.hidden, path);
  }

  /** Looks at something else. */
  go(view: View, replace = false): void {
    this.view = view;
    this.write(view, replace);
    this.changed();
  }

  /** Looks at the same with something changed. */
  patch(part: Partial<View>, replace = false): void {
    this.go({ ...this.view, ...part }, replace);
  }

  changed(): void {
    this.dispatchEvent(new Event("change"));
  }

  /** Remembers how people call those whom these events name. */
  learn(events: readonly AuditEvent[]): void {
    for (const event of events) {
      const known = event.actor.id === undefined ? null : nameOf(event, "actor.id", event.actor.id);
      // Who failed to sign in is told of by an address alone: a name that is known already says more.
      if (known && (event.actor.name || !this.nameOf("actor.id", event.actor.id as string))) this.#name("actor.id", event.actor.id as string, known);
      for (const target of event.targets ?? []) {
        if (target.id !== undefined && target.name !== undefined) this.#name("targets.id", target.id, target.name);
      }
    }
  }

  #name(path: string, id: string, name: string): void {
    const key = `${path}\0${id}`;
    this.#names.delete(key);
    this.#names.set(key, name);
    if (this.#names.size > NAMES_MAX) this.#names.delete(this.#names.keys().next().value as string);
  }

  /** How people call the one with this id, where an event told it. */
  nameOf(path: string, value: Json): string | null {
    return typeof value === "string" ? (this.#names.get(`${path}\0${value}`) ?? null) : null;
  }
}

/** Draws its element again whenever the viewer changes. */
export class Watch implements ReactiveController {
  #watched: Viewer | null = null;
  readonly #draw = () => this.host.requestUpdate();

  constructor(private readonly host: ReactiveControllerHost & { viewer: Viewer }) {
    host.addController(this);
  }

  hostConnected(): void {
    this.hostUpdate();
  }

  hostUpdate(): void {
    if (this.#watched === this.host.viewer) return;
    this.hostDisconnected();
    this.#watched = this.host.viewer ?? null;
    this.#watched?.addEventListener("change", this.#draw);
  }

  hostDisconnected(): void {
    this.#watched?.removeEventListener("change", this.#draw);
    this.#watched = null;
  }
}
