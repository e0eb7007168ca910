'use strict';
// Runs the program on a file, in a thread of its own. It plays as much of WASI, preview 1, as the program takes: a file that is
// read where it is asked for, arguments, a clock, two streams. What is not here answers that it is not.
const FOLDER = 3, FILE = 4;
const OK = 0, BAD_DESCRIPTOR = 8, IO = 29, NOT_THERE = 52;
const READ_AHEAD = 1 << 20;

onmessage = async ({ data: { module, file, request } }) => {
  try {
    const code = run(await WebAssembly.compile(module), file, ['annals-verify-page', '/bundle', request]);
    postMessage({ type: 'end', code });
  } catch (error) {
    postMessage({ type: 'end', code: 70, message: String(error) });
  }
};

function run(module, file, args) {
  const encoded = args.map((arg) => new TextEncoder().encode(arg + '\0'));
  const reader = new FileReaderSync();
  const heard = new TextDecoder();
  let memory, at = 0, said = '';
  let ahead = { from: 0, bytes: new Uint8Array() };
  const bytes = (from, length) => new Uint8Array(memory.buffer, from, length);
  const view = () => new DataView(memory.buffer);
  const u32 = (place, value) => { view().setUint32(place, value, true); return OK; };
  const u64 = (place, value) => { view().setBigUint64(place, BigInt(value), true); return OK; };

  // Copies what stands at a place of the file; short only at its end.
  const read = (place, into) => {
    let done = 0;
    while (done < into.length && place + done < file.size) {
      let from = place + done - ahead.from;
      if (from < 0 || from >= ahead.bytes.length) {
        const start = place + done;
        ahead = { from: start, bytes: new Uint8Array(reader.readAsArrayBuffer(file.slice(start, start + READ_AHEAD))) };
        from = 0;
      }
      const part = ahead.bytes.subarray(from, from + into.length - done);
      into.set(part, done);
      done += part.length;
    }
    return done;
  };
  const vectors = (place, count, each) => {
    let total = 0;
    for (let i = 0; i < count; i++) {
      const length = view().getUint32(place + 8 * i + 4, true);
      const done = each(bytes(view().getUint32(place + 8 * i, true), length));
      total += done;
      if (done < length) break;
    }
    return total;
  };
  const strings = (list, places, buffer) => {
    for (const text of list) {
      places = (u32(places, buffer), places + 4);
      bytes(buffer, text.length).set(text);
      buffer += text.length;
    }
    return OK;
  };
  const hear = (part) => {
    said += heard.decode(part, { stream: true });
    const lines = said.split('\n');
    said = lines.pop();
    for (const line of lines) postMessage({ type: 'said', line });
  };
  const wasi = {
    args_sizes_get: (count, size) => (u32(count, encoded.length), u32(size, encoded.reduce((sum, arg) => sum + arg.length, 0))),
    args_get: (places, buffer) => strings(encoded, places, buffer),
    environ_sizes_get: (count, size) => (u32(count, 0), u32(size, 0)),
    environ_get: () => OK,
    clock_time_get: (clock, precision, place) => u64(place, clock === 0 ? Date.now() * 1e6 : Math.round(performance.now() * 1e6)),
    random_get: (place, length) => (crypto.getRandomValues(bytes(place, length)), OK),
    sched_yield: () => OK,
    fd_prestat_get: (fd, place) => (fd === FOLDER ? (bytes(place, 4).fill(0), u32(place + 4, 1)) : BAD_DESCRIPTOR),
    fd_prestat_dir_name: (fd, place) => (bytes(place, 1).set([0x2f]), OK),
    // Whatever it opens is the bundle: there is nothing else.
    path_open: (fd, follow, path, length, flags, base, inheriting, fdflags, place) => { at = 0; return u32(place, FILE); },
    fd_fdstat_get: (fd, place) => {
      bytes(place, 24).fill(0);
      view().setUint8(place, fd === FOLDER ? 3 : fd === FILE ? 4 : 2);
      view().setBigUint64(place + 8, 0xffffffffn, true);
      return OK;
    },
    fd_filestat_get: (fd, place) => {
      bytes(place, 64).fill(0);
      view().setUint8(place + 16, fd === FILE ? 4 : 2);
      return u64(place + 32, fd === FILE ? file.size : 0);
    },
    fd_seek: (fd, offset, whence, place) => {
      if (fd !== FILE) return BAD_DESCRIPTOR;
      at = [0, at, file.size][whence] + Number(offset);
      return u64(place, at);
    },
    fd_read: (fd, list, count, place) => {
      if (fd !== FILE) return fd === 0 ? u32(place, 0) : BAD_DESCRIPTOR;
      try {
        return u32(place, vectors(list, count, (into) => { const done = read(at, into); at += done; return done; }));
      } catch { return IO; }
    },
    fd_write: (fd, list, count, place) => u32(place, vectors(list, count, (part) => {
      if (fd === 1) postMessage({ type: 'lines', bytes: part.slice() });
      else hear(part);
      return part.length;
    })),
    fd_close: () => OK,
    proc_exit: (code) => { throw new Exit(code); },
  };
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    (imports[from] ??= {})[name] = wasi[name] ?? (() => NOT_THERE);
  }
  const instance = new WebAssembly.Instance(module, imports);
  memory = instance.exports.memory;
  try {
    instance.exports._start();
    return 0;
  } catch (error) {
    if (error instanceof Exit) return error.code;
    throw error;
  }
}

class Exit {
  constructor(code) { this.code = code; }
}
