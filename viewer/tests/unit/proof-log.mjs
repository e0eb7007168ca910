// Logs that are made in tests: signed with keys of their own, grown entry by entry.

export function flipped(array, at) {
  const other = array.slice();
  other[at] ^= 1;
  return other;
}

/** The text with each character replaced by its neighbour, and without it. */
export function* mutations(text) {
  for (let at = 0; at < text.length; at++) {
    yield text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);
    yield text.slice(0, at) + text.slice(at + 1);
  }
}

export function split(n) {
  return 2 ** Math.floor(Math.log2(n - 1));
}

/** Makes logs around an example of `commitment.json`, with the functions of the sources. */
export function maker(p, example) {
  return { madeLog, structuredCloned, witness };

  function structuredCloned(event) {
    const { derived, position, received_at, ...sent } = event;
    return { ...p.parseExact(p.canonical(sent)), derived, position, received_at };
  }

  async function signer(seed) {
    const head = p.fromHex("302e020100300506032b657004220420", null, "test");
    const pkcs8 = p.concat(head, new Uint8Array(32).fill(seed));
    const key = await crypto.subtle.importKey("pkcs8", pkcs8, { name: "Ed25519" }, true, ["sign"]);
    const { x } = await crypto.subtle.exportKey("jwk", key);
    const open = Uint8Array.from(Buffer.from(x, "base64url"));
    return { open, sign: async (message) => new Uint8Array(await crypto.subtle.sign("Ed25519", key, message)) };
  }

  async function named(name, type, open) {
    const typed = p.concat(Uint8Array.of(type), open);
    const id = (await p.sha256(p.utf8(`${name}\n`), typed)).slice(0, 4);
    return { id, key: `${name}+${p.hex(id)}+${p.base64(typed)}` };
  }

  async function witness(name, seed) {
    const { open, sign } = await signer(seed);
    const { id, key } = await named(name, 4, open);
    const line = async (note, time) => {
      const text = note.slice(0, note.indexOf("\n\n") + 1);
      const signature = await sign(p.utf8(`cosignature/v1\ntime ${time}\n${text}`));
      return `— ${name} ${p.base64(p.concat(id, p.uint(time, 8), signature))}\n`;
    };
    return { name, key, line };
  }

  async function statement(body, kind = 2) {
    const commitment = await p.sha256(Uint8Array.of(2), p.utf8(body));
    return p.concat(Uint8Array.of(1, kind, 0, 1), p.uint(1795303721456, 8), commitment, p.utf8(body));
  }

  /** A log of eight entries with the worked example, or a statement, at position 3, and one that says what it is told to at 5. */
  async function madeLog({ body = "", salt = 1, says = "", kind = 2, seed = 7, origin = "made.example/t/000102030405060708090a0b0c0d0e0f" } = {}) {
    const { open, sign } = await signer(seed);
    const { id, key } = await named(origin, 1, open);
    const committed = p.concat(Uint8Array.of(1, 1, 0, 1), p.uint(1795303721456, 8), p.fromHex(example.commitment, null, "test"));
    const entry = body ? await statement(body) : committed;
    const said = says && (await statement(says, kind));
    const entries = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => (n === 3 ? entry : n === 5 && says ? said : p.utf8(`entry ${salt} ${n}`)));
    const leaves = await Promise.all(entries.map(p.leafHash));
    const root = async (from, to) => {
      if (to - from === 1) return leaves[from];
      const middle = from + split(to - from);
      return p.sha256(Uint8Array.of(1), await root(from, middle), await root(middle, to));
    };
    const path = async (at, from, to) => {
      if (to - from === 1) return [];
      const middle = from + split(to - from);
      return at < middle ? [...(await path(at, from, middle)), await root(middle, to)] : [...(await path(at, middle, to)), await root(from, middle)];
    };
    const part = async (m, from, to, whole) => {
      if (m === to - from) return whole ? [] : [await root(from, to)];
      const k = split(to - from);
      return m <= k ? [...(await part(m, from, from + k, whole)), await root(from + k, to)] : [...(await part(m - k, from + k, to, false)), await root(from, from + k)];
    };
    const roots = await Promise.all([0, 1, 2, 3, 4, 5, 6, 7, 8].map((size) => (size ? root(0, size) : p.sha256())));
    const checkpoint = async (size) => {
      const text = `${origin}\n${size}\n${p.base64(roots[size])}\n`;
      return `${text}\n— ${origin} ${p.base64(p.concat(id, await sign(p.utf8(text))))}\n`;
    };
    const hashes = (await path(3, 0, 8)).map((hash) => `${p.base64(hash)}\n`).join("");
    const event = { ...p.parseExact(example.event), position: 3, received_at: "2026-11-21T23:28:41.456789Z", derived: {} };
    return {
      roots, checkpoint, event,
      statement: async (at, size) => ({ entry: p.hex(entries[at]), hashes: (await path(at, 0, size)).map(p.hex) }),
      info: { origin, public_key: key, size: 8 },
      opening: { position: 3, entry: p.hex(entry), units: body ? [] : example.units.map(({ name, value, salt }) => ({ name, value, salt })) },
      receipt: `c2sp.org/tlog-proof@v1\nindex 3\n${hashes}\n${await checkpoint(8)}`,
      growth: async (from, to) => (await part(from, 0, to, true)).map(p.hex),
    };
  }
}
