/** What a viewer token says itself to whoever holds it. The server alone can write one, and holds to it whatever is made of it here. */

export interface Terms {
  /** Members of events that its holder neither sees nor can ask about, as a filter names them. */
  hide: string[];
  /** From this instant on it is refused, ms since 1970. */
  untilMs: number | null;
  export: boolean;
}

const PREFIX = "annals_view_";

/** Behind the content stands a code that tells whether it was changed. */
const MAC_BYTES = 32;

/** What a token says; nothing where it is none that is understood. */
export function termsOf(token: string): Terms {
  try {
    if (!token.startsWith(PREFIX)) throw new Error("no viewer token");
    const bytes = Uint8Array.from(atob(token.slice(PREFIX.length).replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    const said = JSON.parse(new TextDecoder().decode(bytes.slice(0, -MAC_BYTES))) as { hide?: unknown; until_us?: unknown; export?: unknown };
    return {
      hide: Array.isArray(said.hide) ? said.hide.filter((path) => typeof path === "string") : [],
      untilMs: typeof said.until_us === "number" ? said.until_us / 1000 : null,
      export: said.export === true,
    };
  } catch {
    return { hide: [], untilMs: null, export: false };
  }
}

/** Whether asking about a member would tell of something hidden: the member, what it is inside of, or what is inside of it. */
export function isHidden(hidden: readonly string[], path: string): boolean {
  return hidden.some((one) => one === path || path.startsWith(`${one}.`) || one.startsWith(`${path}.`));
}
