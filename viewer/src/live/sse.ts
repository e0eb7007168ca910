/** Server-sent events as the HTML standard has them, from bytes that come in any pieces. Pure. */

/** A message: its id where one was set, and its data, or none where only the id moves on. */
export interface Message {
  id: string | null;
  data: string | null;
}

/** Longest that a line may be, in characters: an event and what annals adds have a quarter of a megabyte. */
const LINE_MAX = 4 * 1024 * 1024;

/** The stream is none, or one that never ends a line. */
export class StreamError extends Error {}

export class SseParser {
  /** How long the server would have a client wait before it comes back, ms. */
  retryMs: number | null = null;
  // Strict: what is not UTF-8 is an error rather than other text.
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #rest = "";
  #sawReturn = false;
  #id: string | null = null;
  #data: string[] = [];

  /** The messages that these bytes complete. */
  push(bytes: Uint8Array): Message[] {
    const messages: Message[] = [];
    for (const line of this.#lines(bytes)) {
      const message = this.#line(line);
      if (message) messages.push(message);
    }
    return messages;
  }

  #lines(bytes: Uint8Array): string[] {
    let text: string;
    try {
      text = this.#decoder.decode(bytes, { stream: true });
    } catch {
      throw new StreamError("the stream is not UTF-8");
    }
    // A line end of two characters may come in two pieces.
    const cut = this.#sawReturn && text.startsWith("\n");
    if (text) this.#sawReturn = text.endsWith("\r");
    if (cut) text = text.slice(1);
    const lines = text.split(/\r\n|\r|\n/);
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > LINE_MAX) throw new StreamError("a line of the stream has no end");
    return lines;
  }

  #line(line: string): Message | null {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    if (name === "id" && !value.includes("\0")) this.#id = value;
    if (name === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
    return null;
  }

  #dispatch(): Message | null {
    const message = { id: this.#id, data: this.#data.length ? this.#data.join("\n") : null };
    this.#id = null;
    this.#data = [];
    return message.id === null && message.data === null ? null : message;
  }
}
