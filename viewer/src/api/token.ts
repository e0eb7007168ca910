/** What a viewer token says itself to whoever holds it. The server alone can write one, and holds to it whatever is made of it here. */

export interface Terms {
  /** Who sees what: the same text for two tokens means that what was shown for one may stay for the other. Empty for no token. */
  scope: string;
  /** Members of events that its holder neither sees nor can ask about, as a filter names them. */
  hide: string[];
  /** From this instant on it is refused, ms since 1970. */
  untilMs: number | null;
  export: boolean;
}

/** What a token holds, as far as it is read here. */
interface Said {
  tenant?: unknown;
  viewer?: unknown;
  filter?: unknown;
  hide?: unknown;
  until_us?: unknown;
  export?: unknown;
}

const PREFIX = "annals_view_";

/** Behind the content stands a code that tells whether it was changed. */
const MAC_BYTES = 32;

/** What a token says; nothing where it is none that is understood. */
export function termsOf(token: string): Terms {
  try {
    if (!token.startsWith(PREFIX)) throw new Error("no viewer token");
    const bytes = Uint8Array.from(atob(token.slice(PREFIX.length).replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    const said = JSON.parse(new TextDecoder().decode(bytes.slice(0, -MAC_BYTES))) as Said;
    if (typeof said.tenant !== "string") throw new Error("no viewer token");
    const hide = Array.isArray(said.hide) ? said.hide.filter((path) => typeof path === "string") : [];
    return {
      scope: JSON.stringify([said.tenant, said.viewer ?? null, said.filter ?? null, hide.toSorted()]),
      hide,
      untilMs: typeof said.until_us === "number" ? said.until_us / 1000 : null,
      export: said.export === true,
    };
  } catch {
    // What is not understood is like nothing but itself.
    return { scope: token, hide: [], untilMs: null, export: false };
  }
}

/** Whether asking about a member would tell of something hidden: the member, what it is inside of, or what is inside of it. */
export function isHidden(hidden: readonly string[], path: string): boolean {
  return hidden.some((one) => one === path || path.startsWith(`${one}.`) || one.startsWith(`${path}.`));
}
