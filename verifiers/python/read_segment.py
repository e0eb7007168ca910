#!/usr/bin/env python3
"""Reads sealed segments by docs/reference/segment-format.md alone: python3 read_segment.py [--leaves] SEGMENT...

Prints the records of each file, a JSON object a line, with the event's bytes as they are; exit code 1 when one is damaged.
With `--leaves` each record's leaf is computed by segment_leaves.py and held against tags and sums. Without, nothing is needed
but Python's standard library.
"""

import json
import re
import sys
from bisect import bisect_left
from datetime import datetime, timedelta
from functools import partial, reduce
from itertools import pairwise
from pathlib import Path
from uuid import UUID

BLOCK, UNIT, GROUP, MASK = 16_384, 128, 64, 2**64 - 1
SLOT, MARK = re.compile(rb"[\1-\4]"), re.compile(rb"[\0-\x1f]")
TEXT, TOKEN, ELEMENTS, OBJECT = 1, 2, 3, 4
little = partial(int.from_bytes, byteorder="little")
CRC32C = list(range(256))
for _ in range(8):
    CRC32C = [byte >> 1 ^ 0x82F63B78 * (byte & 1) for byte in CRC32C]


def require(holds, message):
    if not holds:
        raise ValueError(message)


def members(value, names, optional=""):
    """The values of exactly these members of an object; of the optional ones `None` where they are left out."""
    names, optional = names.split(), optional.split()
    require({*names} <= {*value} <= {*names, *optional}, f"an object not of the members {names}")
    return [value[name] for name in names] + [value.get(name) for name in optional]


def crc32c(data):
    return reduce(lambda crc, byte: CRC32C[(crc ^ byte) & 255] ^ crc >> 8, data, 0xFFFFFFFF) ^ 0xFFFFFFFF


def time_text(number):
    micros = number - 2**63
    # Python's calendar begins with year 1; 400 years later all days are the same.
    years = 400 if micros < -62_135_596_800_000_000 else 0
    moment = datetime(1970, 1, 1) + timedelta(days=years // 400 * 146_097, microseconds=micros)
    return f"{moment.year - years:04}-{moment:%m-%dT%H:%M:%S.%f}Z".encode()


class File:
    """Checked bytes, and what is coded in them."""

    def __init__(self, data):
        require(data[:16] == b"ANNALSEG\1\0\0\0\0\x40\0\0" and data[-8:] == b"ANNALEND", "it is no segment of version 1")
        end, footer_bytes, checksum = little(data[-24:-16]), little(data[-16:-12]), little(data[-12:-8])
        require(end + footer_bytes + 4 * -(-end // BLOCK) + 24 == len(data), "its parts do not add up to the file")
        require(crc32c(data[end:-24]) == checksum, "its footer does not match its checksum")
        self.body, self.footer = data[:end], json.loads(data[end : end + footer_bytes])
        for block, first in enumerate(range(0, end, BLOCK)):
            checksum = little(data[end + footer_bytes + 4 * block :][:4])
            require(crc32c(self.body[first : first + BLOCK]) == checksum, f"block {block} does not match its checksum")

    def packed(self, at, width, count):
        whole = little(self.bytes(at, (count * width + 7) // 8))
        return [whole >> j * width & (1 << width) - 1 for j in range(count)]

    def bytes(self, at, length):
        require(at + length <= len(self.body), "bytes asked for behind the end of the body")
        return self.body[at : at + length]

    def region(self, coded, width):
        data = self.bytes(*members(coded, "at len"))
        return [data[i : i + width] for i in range(0, len(data), width)]

    def numbers(self, coded):
        n, coding = members(coded, "n as")
        ((name, value),) = coding.items()
        if name in ("constant", "linear"):
            return [value + i * (name == "linear") & MASK for i in range(n)]
        at, wide = members(coding["packed"], "at base_bytes")
        units, out = -(-n // UNIT), []
        data_from = at + 4 * -(-units // GROUP) + units * (1 + wide)
        for first in range(0, units, GROUP):
            count = min(GROUP, units - first)
            header = self.bytes(at, 4 + count * (1 + wide))
            at, data = at + len(header), data_from + 16 * little(header[:4])
            for k in range(count):
                step, width = divmod(header[4 + k], 128)
                base, m = little(header[4 + count + k * wide :][:wide]), min(UNIT, n - len(out))
                out += [base + j * step + d & MASK for j, d in enumerate(self.packed(data, width, m))]
                data += 16 * width
        return out

    def values(self, coded):
        """All values by ordinal; not of kind `happened`, which the rows have."""
        kind = coded["kind"]
        if kind == "hex":
            _, n, prefix, digits, at = members(coded, "kind n prefix digits at")
            wide = digits // 2
            return [(prefix + self.bytes(at + wide * i, wide).hex()).encode() for i in range(n)]
        if kind == "uuid":
            _, high, low = members(coded, "kind high low")
            pairs = zip(self.numbers(high), self.region(low, 10), strict=True)
            return [str(UUID(bytes=first.to_bytes(6, "big") + rest)).encode() for first, rest in pairs]
        if kind in ("ints", "times"):
            numbers = self.numbers(members(coded, "kind numbers")[1])
            return [b"%d" % number if kind == "ints" else time_text(number) for number in numbers]
        return self.mixed(coded) if kind == "mixed" else self.texts(coded)

    def texts(self, coded):
        kind, n, starts, at, symbols = members(coded, "kind n starts at", "symbols")
        require(kind == "text", f"values of kind {kind}")
        out, starts = [], self.numbers(starts)
        for page, start in enumerate(starts[:-1]):
            head, count = self.bytes(at + start, 5), min(UNIT, n - len(out))
            value = at + start + 5 + (count * head[4] + 7) // 8
            for more in self.packed(at + start + 5, head[4], count):
                out.append(self.bytes(value, little(head[:4]) + more))
                value += len(out[-1])
            require(value == at + starts[page + 1], "a page of values is malformed")
        if symbols is None:
            return out
        table = self.bytes(*members(symbols, "at len"))
        words = [table[8 * k :][:length] for k, length in enumerate(table[len(table) // 9 * 8 :])]
        return [re.sub(rb"(?s)\xff(.)|.", lambda code: code[1] or words[code[0][0]], stored) for stored in out]

    def mixed(self, coded):
        _, classes, ranks, parts = members(coded, "kind class ranks parts")
        classes, ranks, parts = self.numbers(classes), self.numbers(ranks), [self.values(part) for part in parts]
        taken, out = [0] * len(parts), []
        for i, part in enumerate(classes):
            require(i % UNIT or ranks[i // UNIT * len(parts) :][: len(parts)] == taken, "ranks of mixed values")
            out.append(parts[part][taken[part]])
            taken[part] += 1
        return out


class Table:
    """The instances of a table. A *part* is what a shape's slot holds: the slot's byte and path."""

    def __init__(self, file, coded, tables):
        names = "path parent of n presence starts shapes shape raw columns"
        path, parent, of, n, presence, starts, shapes, shape, raw, columns = members(coded, names)
        self.file, self.path, self.n, self.children, self.columns = file, path, n, {}, {}
        self.shapes, self.shape = [self.parse(text) for text in file.values(shapes)], file.numbers(shape)
        require(len(self.shape) == n, "shapes of a table")
        self.starts = file.numbers(starts) if of == "elements" else None
        # Per part: which number among those that have it each instance is.
        self.places = {}
        for i, number in enumerate(self.shape):
            for _, part in self.shapes[number] if number < len(self.shapes) else [("", "raw")]:
                place = self.places.setdefault(part, {})
                place[i] = len(place)
        if raw:
            self.check(raw["presence"], "raw")
            self.texts = file.values(members(raw, "presence texts")[1])
        if parent is not None:
            self.part = (ELEMENTS if of == "elements" else OBJECT, tuple(path[len(tables[parent].path) :]))
            tables[parent].check(presence, self.part)
            tables[parent].children[self.part] = self
        for column in columns:
            path, kind, presence, *rest = members(column, "path kind presence values ordinals index blocks words", "refs")
            part = (TEXT if kind == "text" else TOKEN, tuple(path))
            self.check(presence, part)
            self.columns[part] = rest

    @staticmethod
    def parse(text):
        """Literals of a shape, each with the part behind it; the last one with none."""

        def paths(value, path):
            inside = value.items() if isinstance(value, dict) else None
            return [path] if inside is None else [way for name, held in inside for way in paths(held, (*path, name))]

        kinds, found = SLOT.findall(text), paths(json.loads(SLOT.sub(b"0", text)), ())
        require(len(kinds) == len(found) == len({*found}), "a shape that is none")
        return list(zip(SLOT.split(text), [*((kind[0], path) for kind, path in zip(kinds, found)), None]))

    def check(self, presence, part):
        having = list(self.places.get(part, {}))
        if presence == "all":
            return require(len(having) == self.n, "a part that not all instances have")
        ((name, told),) = presence.items()
        counts = [bisect_left(having, first) for first in range(0, self.n, UNIT)]
        require(self.file.numbers(told) == {"listed": having, "shapes": counts}[name], "instances that have a part")


class Segment:
    """The records of a file."""

    def __init__(self, data):
        self.file = file = File(data)
        names = "logs known order proof tables version rows seed ids words"
        footer = members(file.footer, names, "dictionary_roots fates")
        self.logs, self.known, self.order, self.proof, tables = footer[:5]
        self.happened, self.tables, self.read = file.numbers(self.known["happened"]), [], {}
        require(footer[5:7] == [1, len(self.happened)], "another version, or rows that do not fit")
        for table in tables:
            self.tables.append(Table(file, table, self.tables))
        self.seqs, self.by_rank, self.ranks = (file.numbers(self.order[name]) for name in ("seqs", "rows", "ranks"))
        self.check_order("all_times", 0, self.by_rank)
        self.fates = dict(self.read_fates(*members(footer[-1], "rows kind starts payloads by_id"))) if footer[-1] else {}
        # Each run: whose, whether of an access log, its rows and the position of the first.
        self.runs = list(self.read_runs())

    def check_order(self, name, first, rows):
        moves = enumerate(self.file.numbers(self.order[name])[first : first + len(rows)])
        told = [i - (d + 1) // 2 if d % 2 else i + d // 2 for i, d in moves]
        require(told == sorted(range(len(rows)), key=lambda i: self.happened[rows[i]]), f"the order of {name}")

    def read_runs(self):
        lists = "names", "runs", "run_rows", "run_positions"
        names, runs, rows, positions = (self.file.numbers(self.logs[name]) for name in lists)
        tenants = self.file.values(self.logs["tenants"])
        for log, name in enumerate(names):
            first, end = rows[runs[log]], rows[runs[log + 1]]
            self.check_order("log_times", first, range(first, end))
            for run in range(runs[log], runs[log + 1]):
                yield tenants[name // 2].decode(), name % 2 == 1, range(rows[run], rows[run + 1]), positions[run]

    def lists(self, starts, region):
        whole = self.file.bytes(*members(region, "at len"))
        return [whole[first:end] for first, end in pairwise(self.file.numbers(starts))]

    def read_fates(self, rows, kinds, starts, payloads, by_id):
        """The rows whose events are not as they were sent, each with what is told of it."""
        told, kinds = self.lists(starts, payloads), self.file.numbers(kinds)
        id_hash = lambda nth: little(told[nth][40:])
        expired = sorted((nth for nth, kind in enumerate(kinds) if kind == 2), key=id_hash)
        require(self.file.numbers(by_id) == expired, "the order of expired rows by their ids")
        for nth, row in enumerate(self.file.numbers(rows)):
            gone = {"commitment": told[nth][:32].hex(), "by": little(told[nth][32:40]), "id_hash": id_hash(nth)}
            yield row, {1: {"erased": told[nth].hex()}, 2: {"expired": gone}}[kinds[nth]]

    def leaf(self, table, part, i, row):
        values, ordinals, _, _, _, refs = table.columns[part]
        if values["kind"] == "happened":
            return time_text(self.happened[row])
        if (table, part) not in self.read:
            self.read[table, part] = self.file.values(values), self.file.numbers(ordinals)
        known, leaves = self.read[table, part]
        value = known[leaves[table.places[part][i]]]
        return MARK.sub(lambda mark: self.named(*members(refs[mark[0][0] - 1], "table column"), row), value)

    def named(self, at, column, row):
        table, i = self.tables[at], row
        if at:
            place = self.tables[0].places[table.part][row]
            i = place if table.starts is None else table.starts[place]
        return self.leaf(table, list(table.columns)[column], i, row)

    def event(self, table, i, row):
        shape = table.shape[i]
        if shape == len(table.shapes):
            return table.texts[table.places["raw"][i]]
        return b"".join(lit + (self.held(table, part, i, row) if part else b"") for lit, part in table.shapes[shape])

    def held(self, table, part, i, row):
        if part in table.columns:
            quote = b'"' if part[0] == TEXT else b""
            return quote + self.leaf(table, part, i, row) + quote
        child, k = table.children[part], table.places[part][i]
        if part[0] == OBJECT:
            return self.event(child, k, row)
        elements = [self.event(child, element, row) for element in range(child.starts[k], child.starts[k + 1])]
        return b"[" + b",".join(elements) + b"]"

    def records(self):
        """Each record: what is known of it, its event, which secret of which root it has, its fate, and when it was received, ms."""
        lists = "received_values", "received", "kind", "secrets"
        times, received, kinds, secrets = (self.file.numbers(self.known[name]) for name in lists)
        for tenant, access, rows, position in self.runs:
            for row in rows:
                kind, time, rank = dict(self.known["kinds"][kinds[row]]), times[received[row]], self.ranks[row]
                facts = {"tenant": tenant, "log": "access" if access else "events", "position": position + row - rows[0]}
                facts["seq"] = self.seqs[rank] if rank < len(self.seqs) and self.by_rank[rank] == row else None
                facts["received_at"] = time_text(time).decode()
                facts["occurred_at"] = time_text(self.happened[row]).decode() if kind.pop("timed") else None
                secret = divmod(secrets[row], 4096)
                yield facts | kind, self.event(self.tables[0], row, row), secret, self.fates.get(row), (time - 2**63) // 1000


def main(leaves, *files):
    for name in files:
        try:
            segment = Segment(Path(name).read_bytes())
            for facts, event, _, fate, _ in segment.records():
                facts |= {"fate": fate} if fate else {}
                line = json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()
                sys.stdout.buffer.write(line[:-1] + b',"event":' + event + b"}\n")
            if leaves:
                __import__("segment_leaves").check(segment, require)
        except Exception as error:  # Bytes that are not as the page says may fail in any way.
            sys.exit(f"{name}: {error or type(error).__name__}")


if __name__ == "__main__":
    main("--leaves" in sys.argv, *(name for name in sys.argv[1:] if name != "--leaves"))
