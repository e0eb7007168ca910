/** Saves what a route answers to a file: by the browser itself where it can ask by itself, piece by piece where a token has to be shown. */

import { type Api, ApiError } from "../../api/client.js";

/** Most that is held in memory, where the browser cannot write to a file while it reads. */
export const HELD_BYTES_MAX = 256 * 1024 * 1024;

/** The answer ended before it was whole, or has more than can be held. */
export class NotWhole extends Error {
  constructor(readonly why: "broke" | "too_large") {
    super(why);
  }
}

interface Writable {
  write(piece: Uint8Array): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}

type Picker = (options: { suggestedName: string }) => Promise<{ createWritable(): Promise<Writable> }>;

/** Lets the browser ask and save: nothing passes through this page. */
export function download(url: string, name: string): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

/** Asks with the token and saves what comes. `saved` hears how many bytes there are. Throws `NotWhole` or an `ApiError`. */
export async function save(api: Api, path: string, params: URLSearchParams, name: string, signal: AbortSignal, saved: (bytes: number) => void): Promise<void> {
  const file = await chosen(name);
  const answer = await api.fetch(path, params, { signal, headers: { accept: "*/*" } });
  const sink = file ?? held(name, answer.headers.get("content-type") ?? "");
  let bytes = 0;
  try {
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.length;
      if (!file && bytes > HELD_BYTES_MAX) {
        await reader.cancel();
        throw new NotWhole("too_large");
      }
      await sink.write(value);
      saved(bytes);
    }
  } catch (error) {
    // What is not whole is not kept.
    await sink.abort().catch(() => {});
    if (signal.aborted || error instanceof NotWhole || error instanceof ApiError) throw error;
    throw new NotWhole("broke");
  }
  await sink.close();
}

/** The file that the reader chose; null where the browser does not offer it. */
async function chosen(name: string): Promise<Writable | null> {
  const picker = (globalThis as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  if (!picker) return null;
  try {
    return await (await picker({ suggestedName: name })).createWritable();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    // A frame of another origin may not ask.
    return null;
  }
}

function held(name: string, type: string): Writable {
  const pieces: BlobPart[] = [];
  return {
    write: async (piece) => void pieces.push(piece as BlobPart),
    abort: async () => void pieces.splice(0),
    close: async () => {
      const url = URL.createObjectURL(new Blob(pieces, { type }));
      download(url, name);
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    },
  };
}
