/** Signed notes, checkpoints, cosignatures and receipts, as C2SP has them. */

import { type Bytes, decimal, equal, fromBase64, fromUint, hex, isSignature, refuse, sha256, utf8 } from "./bytes.js";
import type { Tree } from "./merkle.js";

const NOTE_CHARACTERS_MAX = 256 * 1024;
const SIGNATURES_MAX = 64;

/** What a key signs: checkpoints as a log, or checkpoints of others as a witness. */
const KINDS = { log: 1, witness: 4 } as const;
type Kind = keyof typeof KINDS;

export interface Key {
  name: string;
  id: Bytes;
  kind: Kind;
  /** 32 bytes. */
  public: Bytes;
}

/** Reads a verifier key: `name+id+base64`. */
export async function readKey(text: string, kind: Kind): Promise<Key> {
  const found = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text);
  if (!found) return refuse("key");
  const [name, id, encoded] = found.slice(1) as [string, string, string];
  const typed = fromBase64(encoded, 33, "key");
  if (typed[0] !== KINDS[kind]) return refuse("key");
  const own = (await sha256(utf8(`${name}\n`), typed)).slice(0, 4);
  return hex(own) === id ? { name, id: own, kind, public: typed.slice(1) } : refuse("key");
}

interface Line {
  name: string;
  id: Bytes;
  /** What stands behind the key's id. */
  rest: Bytes;
}

export interface Note {
  /** With the line break at its end. */
  text: string;
  lines: Line[];
}

export function parseNote(note: string): Note {
  if (note.length > NOTE_CHARACTERS_MAX || /[\0-\x09\x0b-\x1f\x7f]/.test(note)) return refuse("note");
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n")) return refuse("note");
  const signatures = note.slice(split + 2, -1).split("\n");
  if (signatures.length > SIGNATURES_MAX) return refuse("note");
  return { text: note.slice(0, split + 1), lines: signatures.map(line) };
}

function line(text: string): Line {
  const found = /^— ([^\s+]+) ([A-Za-z0-9+/=]+)$/.exec(text);
  if (!found) return refuse("note");
  const bytes = fromBase64(found[2] as string, null, "note");
  return bytes.length > 4 ? { name: found[1] as string, id: bytes.slice(0, 4), rest: bytes.slice(4) } : refuse("note");
}

function linesBy(note: Note, key: Key): Line[] {
  return note.lines.filter((line) => line.name === key.name && equal(line.id, key.id));
}

/** Refuses a note without a signature by the key, or with a wrong one that claims to be. */
async function checkSigned(note: Note, key: Key): Promise<void> {
  const lines = linesBy(note, key);
  if (!lines.length) refuse("signature");
  for (const line of lines) {
    if (line.rest.length !== 64 || !(await isSignature(key.public, line.rest, utf8(note.text)))) refuse("signature");
  }
}

export interface Checkpoint extends Tree {
  origin: string;
  note: Note;
}

/** The checkpoint of the log whose key this is; its signature is checked. A log's key is named by its origin. */
export async function openCheckpoint(text: string, key: Key): Promise<Checkpoint> {
  const note = parseNote(text);
  const [origin, size, root, ...extensions] = note.text.slice(0, -1).split("\n");
  if (root === undefined || extensions.includes("")) return refuse("checkpoint");
  const tree = { size: decimal(size as string, "checkpoint"), root: fromBase64(root, 32, "checkpoint") };
  if (origin !== key.name) return refuse("origin");
  await checkSigned(note, key);
  return { origin, ...tree, note };
}

/** When the witness saw the checkpoint, POSIX seconds; null where it has no line. Refuses a wrong line that claims to be its. */
export async function cosignedAt(checkpoint: Checkpoint, witness: Key): Promise<number | null> {
  let newest: number | null = null;
  for (const line of linesBy(checkpoint.note, witness)) {
    if (line.rest.length !== 72) return refuse("cosignature");
    const time = fromUint(line.rest.slice(0, 8));
    const message = utf8(`cosignature/v1\ntime ${time}\n${checkpoint.note.text}`);
    if (!(await isSignature(witness.public, line.rest.slice(8), message))) return refuse("cosignature");
    newest = Math.max(newest ?? 0, Number(time));
  }
  return newest;
}

/** A `.tlog-proof`: where an entry is, and how to come from it to the root of a checkpoint. */
export interface Receipt {
  position: number;
  path: Bytes[];
  /** As it stands, unchecked. */
  checkpoint: string;
}

const PATH_MAX = 63;

export function parseReceipt(text: string): Receipt {
  const end = text.indexOf("\n\n");
  if (end < 0) return refuse("receipt");
  const [head, ...lines] = text.slice(0, end).split("\n");
  if (head !== "c2sp.org/tlog-proof@v1") return refuse("receipt");
  if (lines[0]?.startsWith("extra ")) fromBase64((lines.shift() as string).slice(6), null, "receipt");
  const index = lines.shift() ?? "";
  if (!index.startsWith("index ") || lines.length > PATH_MAX) return refuse("receipt");
  const position = decimal(index.slice(6), "receipt");
  return { position, path: lines.map((hash) => fromBase64(hash, 32, "receipt")), checkpoint: text.slice(end + 2) };
}
