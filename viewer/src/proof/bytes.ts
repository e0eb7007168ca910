/** Bytes, as WebCrypto takes and gives them. */

export type Bytes = Uint8Array<ArrayBuffer>;

/** This page or this browser cannot check: no WebCrypto, or none with Ed25519. Says nothing about what was to be checked. */
export class Unable extends Error {
  constructor(readonly what: "crypto" | "ed25519") {
    super(what);
  }
}

/** What was to be checked does not hold, or cannot be read. */
export class Refused extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

export function refuse(code: string): never {
  throw new Refused(code);
}

export async function sha256(...parts: readonly Bytes[]): Promise<Bytes> {
  return new Uint8Array(await subtle().digest("SHA-256", concat(...parts)));
}

/** Whether the Ed25519 key made this signature. */
export async function isSignature(key: Bytes, signature: Bytes, message: Bytes): Promise<boolean> {
  const { importKey, verify } = bound();
  let imported: CryptoKey;
  try {
    imported = await importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    // What a browser without Ed25519 says; any other error is about the key.
    if (error instanceof DOMException && error.name === "NotSupportedError") throw new Unable("ed25519");
    return false;
  }
  return verify({ name: "Ed25519" }, imported, signature, message);
}

/** Only pages from a safe origin (HTTPS, or the own machine) have it. */
function subtle(): SubtleCrypto {
  const found = globalThis.crypto?.subtle;
  if (!found) throw new Unable("crypto");
  return found;
}

function bound() {
  const found = subtle();
  return { importKey: found.importKey.bind(found) as SubtleCrypto["importKey"], verify: found.verify.bind(found) };
}

export function concat(...parts: readonly Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function equal(one: Bytes, other: Bytes): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

const encoder = new TextEncoder();

export function utf8(text: string): Bytes {
  return encoder.encode(text) as Bytes;
}

/** A text of well-formed UTF-8, or a refusal. */
export function fromUtf8(bytes: Bytes, code: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse(code);
  }
}

export function hex(bytes: Bytes): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Lower-case hex, of a certain length where one is given. */
export function fromHex(text: unknown, length: number | null, code: string): Bytes {
  if (typeof text !== "string" || !/^(?:[0-9a-f]{2})*$/.test(text)) return refuse(code);
  if (length !== null && text.length !== 2 * length) return refuse(code);
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => parseInt(digits, 16));
}

/** Base64 in its one canonical form, of a certain length where one is given. */
export function fromBase64(text: string, length: number | null, code: string): Bytes {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    return refuse(code);
  }
  if (btoa(binary) !== text || (length !== null && binary.length !== length)) return refuse(code);
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

export function base64(bytes: Bytes): string {
  return btoa(String.fromCharCode(...bytes));
}

/** `value` in big-endian order. */
export function uint(value: number | bigint, bytes: number): Bytes {
  const out = new Uint8Array(bytes);
  let left = BigInt(value);
  for (let at = bytes - 1; at >= 0; at--) {
    out[at] = Number(left & 0xffn);
    left >>= 8n;
  }
  if (left !== 0n) throw new RangeError(`${value} does not fit in ${bytes} bytes`);
  return out;
}

export function fromUint(bytes: Bytes): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** A whole number in plain digits that a double holds exactly. */
export function decimal(text: string, code: string): number {
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text)) return refuse(code);
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : refuse(code);
}
