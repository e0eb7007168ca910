/** Stretches of time: relative ones move with the clock, absolute ones stand still. */

/** Up to now, from so long ago; between two instants, either of which may be open; or all there is. */
export type Range = { last: string } | { since: string | null; until: string | null };

export const ALL_TIME: Range = { since: null, until: null };

export type Zone = "local" | "utc";

/** Relative stretches that are offered, shortest first. */
export const PRESETS = ["15m", "1h", "4h", "24h", "7d", "30d", "90d", "1y"] as const;

/** What the viewer opens with. */
export const DEFAULT_LAST = "30d";

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000 } as const;

/** How long `7d` is, ms; null for what is no length. At most a hundred years. */
export function lengthMs(text: string): number | null {
  const found = /^([1-9][0-9]{0,5})([mhdwy])$/.exec(text);
  if (!found) return null;
  const ms = Number(found[1]) * UNIT_MS[found[2] as keyof typeof UNIT_MS];
  return ms <= 100 * UNIT_MS.y ? ms : null;
}

/** First and last instant of a range, RFC 3339; null where it is open. */
export function bounds(range: Range, now: number = Date.now()): { since: string | null; until: string | null } {
  if (!("last" in range)) return range;
  const ms = lengthMs(range.last) ?? UNIT_MS.d;
  return { since: new Date(now - ms).toISOString(), until: null };
}

export function sameRange(one: Range, other: Range): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

const INTERVALS: readonly [name: string, ms: number][] = [
  ["1m", 60_000], ["5m", 300_000], ["15m", 900_000], ["30m", 1_800_000],
  ["1h", 3_600_000], ["3h", 10_800_000], ["6h", 21_600_000], ["12h", 43_200_000],
  ["1d", 86_400_000], ["1w", 604_800_000], ["1mo", 2_629_800_000],
];

/** Most bars of a histogram: more are thinner than a finger. */
const BARS_MAX = 130;

/** The shortest interval that does not cut a stretch into too many bars. */
export function intervalFor(ms: number): string {
  return INTERVALS.find(([, length]) => ms / length <= BARS_MAX)?.[0] ?? "1mo";
}

/** The browser's time zone, or UTC. */
export function zoneName(zone: Zone): string {
  return zone === "utc" ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

/** An instant as text in a zone: `2026-11-23 10:00:59`, with fractions where asked. */
export function instant(text: string, zone: Zone, digits: 0 | 3 | 6 = 0): string {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  const pad = (n: number, width = 2) => String(n).padStart(width, "0");
  const [y, mo, d, h, mi, s] =
    zone === "utc"
      ? [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate(), at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]
      : [at.getFullYear(), at.getMonth(), at.getDate(), at.getHours(), at.getMinutes(), at.getSeconds()];
  const fraction = digits ? `.${(/\.(\d+)/.exec(text)?.[1] ?? "").padEnd(6, "0").slice(0, digits)}` : "";
  return `${pad(y, 4)}-${pad(mo + 1)}-${pad(d)} ${pad(h)}:${pad(mi)}:${pad(s)}${fraction}`;
}

/** How a zone differs from UTC at an instant: `UTC+01:00`. */
export function offsetName(zone: Zone, at: Date = new Date()): string {
  const minutes = zone === "utc" ? 0 : -at.getTimezoneOffset();
  if (minutes === 0) return "UTC";
  const pad = (n: number) => String(n).padStart(2, "0");
  return `UTC${minutes < 0 ? "−" : "+"}${pad(Math.floor(Math.abs(minutes) / 60))}:${pad(Math.abs(minutes) % 60)}`;
}

/** What a field for date and time holds (`2026-11-23T10:00`) as an instant of the zone; null when it is empty. */
export function fromField(text: string, zone: Zone): string | null {
  if (!text) return null;
  const at = new Date(zone === "utc" ? `${text}Z` : text);
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}

/** The other way round. */
export function toField(text: string | null, zone: Zone): string {
  return text ? instant(text, zone).replace(" ", "T").slice(0, 16) : "";
}
