'use strict';
const element = (id) => document.getElementById(id);
const REMEMBERED = 'annals.verify.';
const LISTED_MAX = 1000;

// What was read last, what became of each position, and what came out: for the links, and for whoever tests the page.
let chosen = null;
let verdicts = new Blob();
let outcome = null;
let running = null;

// Whoever verifies again is told whether it is the same log. A browser may keep nothing for a page that came from a file.
const memory = {
  all() {
    return memory.names().map((name) => {
      const origin = name.slice(REMEMBERED.length);
      try {
        const kept = JSON.parse(localStorage.getItem(name));
        const texts = [kept.public_key, kept.root, kept.seen_at];
        if (kept.origin === origin && kept.size >= 0 && texts.every((text) => typeof text === 'string')) return kept;
      } catch { /* it is damaged */ }
      // Forgetting in silence would take back the alarm: the program refuses one without a key.
      return { origin, public_key: '', size: 0, root: '', seen_at: '' };
    });
  },
  names() {
    try {
      return Object.keys(localStorage).filter((name) => name.startsWith(REMEMBERED));
    } catch { return []; /* nothing is kept */ }
  },
  keep(log) {
    try {
      const known = memory.all().find((kept) => kept.origin === log.origin);
      if (known && known.size >= log.size) return true;
      localStorage.setItem(REMEMBERED + log.origin, JSON.stringify(log));
      return true;
    } catch { return false; }
  },
  forget() {
    for (const name of memory.names()) localStorage.removeItem(name);
  },
};

const program = (async () => {
  const packed = Uint8Array.from(atob(element('program').textContent), (character) => character.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(unpacked).arrayBuffer();
})();

async function verify(file) {
  chosen = file;
  running?.terminate();
  outcome = null;
  verdicts = new Blob();
  const kept = memory.all();
  const lines = [];
  element('result').hidden = true;
  element('progress').hidden = false;
  element('bar').removeAttribute('value');
  element('state').textContent = plain(`Checking ${file.name}`);
  const url = URL.createObjectURL(new Blob([element('worker').textContent], { type: 'text/javascript' }));
  const worker = running = new Worker(url);
  let module;
  try {
    module = await program;
  } catch (error) {
    return show({ type: 'error', message: `this browser cannot run the program: ${error}` }, kept);
  }
  let last = null;
  worker.onmessage = ({ data }) => {
    if (worker !== running) return;
    if (data.type === 'lines') {
      lines.push(data.bytes);
    } else if (data.type === 'said') {
      try { last = JSON.parse(data.line); } catch { last = { type: 'error', message: data.line }; }
      if (last.type === 'progress' && last.size > 0) {
        element('bar').value = last.done / last.size;
        element('state').textContent = plain(`Checking ${file.name}: ${count(last.done)} of ${count(last.size)} positions`);
      }
    } else {
      verdicts = new Blob(lines, { type: 'application/x-ndjson' });
      worker.terminate();
      URL.revokeObjectURL(url);
      const ended = last && (last.type === 'result' || last.type === 'error');
      show(ended ? last : { type: 'error', message: data.message ?? 'the program ended without an answer' }, kept);
    }
  };
  worker.onerror = (event) => show({ type: 'error', message: event.message || 'the program cannot be started' }, kept);
  const request = {
    key: element('key').value.trim() || null,
    witnesses: element('witnesses').value.split('\n').map((line) => line.trim()).filter(Boolean),
    remembered: kept,
  };
  worker.postMessage({ module, file, request: JSON.stringify(request) });
}

const count = (number) => Number(number).toLocaleString('en');
const plural = (number, one, more) => `${count(number)} ${number === 1 ? one : more}`;
const second = (text) => text.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC');

// A file's words are text, never markup, and what turns the direction of text is shown as what it is.
const plain = (text) => String(text).replace(/[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/g, '\uFFFD');

function make(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = plain(text);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function table(kind, head, rows) {
  const made = make('table', undefined, { class: kind });
  if (head) {
    const line = made.createTHead().insertRow();
    head.forEach((cell) => line.append(make('th', cell, { scope: 'col' })));
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    row.forEach((cell, at) => line.append(
      cell instanceof Node ? cell : make(!head && at === 0 ? 'th' : 'td', cell, !head && at === 0 ? { scope: 'row' } : {}),
    ));
  }
  return made;
}

const MODES = {
  selection: 'a selection: its events are in the log, unchanged. That there are no others that match cannot be seen from it',
  'gap-free': 'gap-free: every position of the range has its entry',
  covered: 'covered: every position of the range has its entry, and what proves that the filter leaves it out',
};
const VERDICTS = {
  intact: 'there, whole and unchanged',
  withheld: 'there and unchanged; parts are left out on purpose, or all of it',
  erased: 'unchanged, but for values that were erased with the approvals that it takes',
  expired: 'gone by a rule that was in force',
  unexplained: 'changed, or hidden without an excuse that holds',
};

function show(report, kept) {
  outcome = report;
  running = null;
  element('progress').hidden = true;
  const result = element('result');
  result.replaceChildren();
  result.className = report.type === 'error' ? 'error' : report.verdict;
  result.hidden = false;
  if (report.type === 'error') {
    result.append(make('h2', 'This could not be checked', { id: 'verdict' }), make('p', report.message));
  } else {
    result.append(...summary(report, kept));
  }
  result.focus();
  remembers();
}

function summary(report, kept) {
  const { manifest, checkpoint, verdicts: counts } = report;
  const holds = report.verdict === 'ok';
  const parts = [make('h2', holds ? 'Everything holds' : 'This does not hold', { id: 'verdict' })];
  parts.push(make('p', `${chosen.name}, ${count(chosen.size)} bytes, checked ${new Date().toISOString().slice(0, 19).replace('T', ' ')} UTC`, { class: 'quiet' }));
  if (!holds) {
    const list = make('ul', undefined, { class: 'problems' });
    report.problems.slice(0, LISTED_MAX).forEach((problem) => list.append(make('li', problem)));
    parts.push(make('p', plural(report.problems.length, 'thing does not hold:', 'things do not hold:')), list);
    parts.push(make('p', 'Leave everything as it is, and ask whoever gave you the bundle for another copy. What follows is what the bundle says of itself.'));
  }
  if (manifest) parts.push(make('h2', 'What was checked'), table('facts', null, facts(report, kept, holds)));
  if (counts) {
    parts.push(make('h2', 'What became of each position'));
    const rows = Object.entries(VERDICTS).map(([word, means]) => [word, make('td', count(counts[word]), { class: 'number' }), means]);
    const places = table('verdicts', ['Verdict', 'Positions', 'Means'], rows);
    parts.push(places);
    const gaps = checkpoint.size - report.records;
    if (gaps > 0) parts.push(make('p', `${plural(gaps, 'position is', 'positions are')} not in this bundle; the log's hash accounts for them.`, { class: 'quiet' }));
    parts.push(download('All verdicts', verdicts, 'verdicts.ndjson'), download('This report', new Blob([JSON.stringify(report, null, 1)], { type: 'application/json' }), 'report.json'));
    if (report.not_intact.length > 0) {
      const all = report.records - counts.intact;
      const more = make('details');
      more.append(make('summary', `Positions that are not intact: ${count(all)}`));
      if (all > report.not_intact.length) more.append(make('p', `The first ${count(report.not_intact.length)}; the file of all verdicts has the others.`));
      more.append(table('list', ['Position', 'Verdict'], report.not_intact));
      parts.push(more);
    }
  }
  if (checkpoint) {
    const more = make('details');
    more.append(make('summary', 'The checkpoint, as it was signed'), make('pre', checkpoint.note));
    parts.push(more);
  }
  if (report.events.length > 0) {
    const scroll = make('div', undefined, { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Events' });
    scroll.append(table('events', ['Position', 'Received', 'Occurred', 'Action', 'Actor', 'Targets', 'Result'],
      report.events.map(([position, received, occurred, ...rest]) => [position, second(received), second(occurred), ...rest])));
    parts.push(make('h2', 'Events'), make('p', `The first ${count(report.events.length)} of ${count(report.matched)} that match and are shown.`, { class: 'quiet' }), scroll);
  }
  return parts;
}

function facts(report, kept, holds) {
  const { manifest, checkpoint, key } = report;
  const rows = [
    ['Log', manifest.origin],
    ['Tenant', `${manifest.tenant}, as the server calls it: nothing proves the name`],
    ['Which log', manifest.log === 'access' ? 'the access log: who read the events' : 'the events'],
    ['Range', `positions ${count(manifest.range[0])} to ${count(Math.max(0, manifest.range[1] - 1))}, of ${count(manifest.size)} records`],
    ['Filter', manifest.filter === null ? 'none: every event' : readable(manifest.filter)],
    ['Mode', MODES[manifest.mode]],
    ['Withheld on purpose', manifest.withheld.length > 0 ? manifest.withheld.join(', ') : 'nothing'],
    ['Events that match and are shown', count(report.matched) + (report.gone > 0 ? `; of ${count(report.gone)} nobody can tell any more` : '')],
    ['Made', `${second(manifest.created_at)}, by ${manifest.program}, as the server says`],
  ];
  if (checkpoint) rows.push(['Checkpoint', `${count(checkpoint.size)} records, root ${checkpoint.root}`]);
  if (key) {
    rows.push(['Key', key.key]);
    rows.push(['Where the key is from', whence(key)]);
  }
  if (report.cosigned) rows.push(['Witnesses', witnesses(report)]);
  if (checkpoint) rows.push(['Seen before', seen(report, kept, holds)]);
  return rows;
}

// After a rotation the key that signed is another than the one that is trusted.
function whence({ from, signer }) {
  if (from === 'found') {
    return 'the bundle itself. So far this shows only that the bundle agrees with itself: compare the key with one you got elsewhere, or paste that one above';
  }
  const trusted = from === 'given' ? 'the key that you pasted' : 'the key that this browser remembers of this log';
  if (signer === 'led_to') return `the log leads to it from ${trusted}`;
  if (signer === 'stranger') return `the bundle itself: nothing in the log leads to it from ${trusted}`;
  return from === 'given' ? 'you pasted it' : 'this browser kept it when it first checked this log';
}

// Each value stands in quotes, so that none can look like another condition.
function readable(filter) {
  const groups = new Map();
  for (const [name, value] of new URLSearchParams(filter)) groups.set(name, [...(groups.get(name) ?? []), JSON.stringify(value)]);
  return [...groups].map(([name, values]) => `${/^[a-z_.]+$/.test(name) ? name : JSON.stringify(name)}=${values.join(' or ')}`).join(' and ');
}

function witnesses({ witnesses, cosigned }) {
  if (witnesses.length === 0) return 'none is named, and you asked for none';
  const each = witnesses.map(({ name, is_demanded, cosigned_at, reason }) => {
    const whose = is_demanded ? '' : ' (named by the bundle)';
    return cosigned_at === null ? `${name} ${reason}${whose}` : `${name} cosigned at ${second(cosigned_at)}${whose}`;
  });
  return `of the checkpoint of ${cosigned.origin} over ${count(cosigned.size)} records: ${each.join('; ')}`;
}

function seen(report, kept, holds) {
  const { checkpoint, key } = report;
  const known = kept.find((log) => log.origin === checkpoint.origin);
  const kind = known && `${count(known.size)} records that this browser saw on ${known.seen_at.slice(0, 10)}`;
  if (!holds) return known ? `this browser saw ${count(known.size)} records of this log on ${known.seen_at.slice(0, 10)}` : 'not by this browser';
  const log = { origin: checkpoint.origin, public_key: key.key, size: checkpoint.size, root: checkpoint.root, seen_at: new Date().toISOString() };
  const isKept = memory.keep(log);
  if (known) return `the same log, which extends the ${kind}`;
  return isKept ? 'not by this browser; from now on it remembers' : 'unknown: this browser keeps nothing for this page';
}

function download(text, blob, name) {
  return make('a', text, { href: URL.createObjectURL(blob), download: name, class: 'button' });
}

function remembers() {
  const kept = memory.all().length;
  element('memory').textContent = kept > 0 ? `This browser remembers ${plural(kept, 'log', 'logs')}, to notice when one is rewritten.` : '';
  element('forget').hidden = kept === 0;
}

element('file').addEventListener('change', ({ target }) => {
  if (target.files[0]) verify(target.files[0]);
  // The same file again would be no change.
  target.value = '';
});
element('ask').addEventListener('submit', (event) => {
  event.preventDefault();
  if (chosen) verify(chosen);
});
element('forget').addEventListener('click', () => { memory.forget(); remembers(); });
for (const kind of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle('over', kind === 'dragenter' || kind === 'dragover');
    if (kind === 'drop' && event.dataTransfer.files[0]) verify(event.dataTransfer.files[0]);
  });
}
remembers();
