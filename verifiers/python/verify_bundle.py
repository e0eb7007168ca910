"""Checks evidence bundles: python3 verify_bundle.py [--log-key VKEY] BUNDLE…

Keeps to docs/reference/bundle-format.md and commitment.md (and, for filters, search.md and event.md). It shares no code with annals,
only the bundles that both are tried on; whoever wrote it knew the code of annals. The standard library does everything but Ed25519,
which is the package `cryptography`'s.

Prints one JSON object for each bundle: whether everything `holds`, the verdict of each position that has an entry as `positions`,
and `problems` in words. The exit code is 0 when all hold, 8 when one does not, 2 when the key given is none. It keeps no memory of
earlier checkpoints, counts no cosignatures, and refuses filters with words (`q`), for which it would need Unicode's tables of where
words end. It holds the whole bundle in memory, and refuses one with more than 1 GiB of `log.ndjson`.
"""

import base64
import binascii
import decimal
import hashlib
import json
import re
import struct
import sys
import zlib

import bundle_filters as filters
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LINE_BYTES_MAX = 2 << 20
KIB, MIB = 1 << 10, 1 << 20
FILES = {"manifest.json": MIB, "checkpoint": 256 * KIB, "lifecycle.ndjson": 16 * MIB, "log.ndjson": 1 << 64, "trust.json": MIB,
         "earlier.json": 64 * KIB, "registry.json": MIB, "report.html": 16 * MIB, "README.txt": MIB}
NEEDED = ("manifest.json", "checkpoint", "lifecycle.ndjson", "log.ndjson")
UNPACKED_MAX = 1 << 30
KEYS_MAX, WITHHELD_MAX, UNIT_NAME_BYTES_MAX, UNREADABLE_MAX = 1000, 64, 1024, 16
# Values may be nested deeper than functions of Python may call themselves.
RECURSION_MAX = 4000


class Bad(Exception):
    """What was read is not as it has to be."""


# What reading goes wrong with when a text has another form than it is taken for.
WRONG = (Bad, filters.Wrong, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, struct.error)


def demand(holds, problem):
    if not holds:
        raise Bad(problem)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def unhex(text, length=None):
    demand(isinstance(text, str) and re.fullmatch(r"([0-9a-f]{2})*", text), f"{text!r} is not lower-case hex")
    data = bytes.fromhex(text)
    demand(length is None or len(data) == length, f"{text!r} has not {length} bytes")
    return data


class Number(str):
    """A number's token, digit for digit."""

    def value(self):
        try:
            return decimal.Decimal(self)
        except decimal.InvalidOperation:
            # Beyond ±10^18 exponents compare with nothing.
            return self if self.strip("-0.").lower()[:1] != "e" else decimal.Decimal(0)


def parse(text):
    """JSON with number tokens kept and no member twice."""
    def members(pairs):
        demand(len({name for name, _ in pairs}) == len(pairs), "a member stands twice")
        return dict(pairs)
    try:
        if isinstance(text, bytes):
            text = text.decode()
        demand(not text.startswith("\ufeff"), "a byte order mark")
        value = json.loads(text, object_pairs_hook=members, parse_int=Number, parse_float=Number, parse_constant=refuse)
        if re.search(r"\\u[dD][89a-fA-F]", text):
            canonical(value).encode()  # half a pair of surrogates is no text
        return value
    except (ValueError, RecursionError) as error:
        raise Bad(str(error)) from error


def refuse(token):
    raise Bad(f"{token} is no JSON")


def shaped(value, shape, name):
    """Demands types: a type, an array of one shape, or an object with members of these."""
    if isinstance(shape, dict):
        demand(isinstance(value, dict), f"`{name}` is no object")
        for member, inner in shape.items():
            demand(member in value, f"`{name}` has no `{member}`")
            shaped(value[member], inner, member)
    elif isinstance(shape, list):
        demand(isinstance(value, list), f"`{name}` is no array")
        for item in value:
            shaped(item, shape[0], name)
    elif shape is int:
        natural(value)
    else:
        demand(type(value) in shape, f"`{name}` is of another type")


TEXT, TEXT_OR_NULL = (str,), (str, type(None))
MANIFEST = {"format": TEXT, "origin": TEXT, "tenant": TEXT, "log": TEXT, "size": int, "range": [int], "mode": TEXT, "filter": TEXT_OR_NULL,
            "withheld": [TEXT], "created_at": TEXT, "program": TEXT, "counts": {"records": int, "disclosed": int},
            "files": [{"name": TEXT, "bytes": int, "sha256": TEXT}]}


def natural(value):
    demand(isinstance(value, Number) and re.fullmatch("0|[1-9][0-9]*", value) and int(value) < 1 << 64, f"{value!r} is no position")
    return int(value)


# --- The archive ---------------------------------------------------------------------------------------------------------------

def zip64(extra):
    """The numbers of the zip64 field, in order."""
    found, at = None, 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        demand(at + 4 + length <= len(extra), "a header is cut short")
        if kind == 1:
            demand(found is None, "a header has two zip64 fields")
            found = list(struct.unpack(f"<{length // 8}Q", extra[at + 4:at + 4 + length // 8 * 8]))
        at += 4 + length

    def number(value):
        if value != 0xFFFFFFFF:
            return value
        demand(found, "a header lacks its zip64 field")
        return found.pop(0)
    return number


def read_archive(data):
    """The files of an archive, by name; of one whose data is damaged, what is wrong with it."""
    cut = "it does not end as a zip archive does; it may be cut short"
    end = len(data) - 22
    demand(end >= 0 and data[end:end + 4] == b"PK\5\6" and data[-2:] == b"\0\0", cut)
    disk, first, here, count, size, at = struct.unpack_from("<HHHHII", data, end + 4)
    demand((disk, first) in ((0, 0), (0xFFFF, 0xFFFF)) and here == count, "it is one of several parts")
    stop = end
    if end >= 20 and data[end - 20:end - 16] == b"PK\6\7":
        part, stop, parts = struct.unpack_from("<IQI", data, end - 16)
        demand((part, parts) == (0, 1) and stop + 56 == end - 20 and data[stop:stop + 4] == b"PK\6\6", "its zip64 end is damaged")
        length, _, _, disk, first, here, count64, size64, at64 = struct.unpack_from("<QHHIIQQQQ", data, stop + 4)
        demand(length == 44 and (disk, first) == (0, 0) and here == count64, "its zip64 end is damaged")
        for small, limit, large in ((count, 0xFFFF, count64), (size, 0xFFFFFFFF, size64), (at, 0xFFFFFFFF, at64)):
            demand(small in (limit, large), "its two ends do not say the same")
        count, size, at = count64, size64, at64
    demand(at + size == stop, "its directory is not where it says; it may be cut short")
    directory, entries = at, {}
    for _ in range(count):
        demand(data[at:at + 4] == b"PK\1\2" and at + 46 <= stop, "its directory is damaged")
        flags, method, _, crc, packed, plain, name_len, extra_len, comment_len, disk, _, _, header = struct.unpack_from("<HHIIIIHHHHHII", data, at + 8)
        name = data[at + 46:at + 46 + name_len].decode("latin-1")
        number = zip64(data[at + 46 + name_len:at + 46 + name_len + extra_len])
        plain, packed, header = number(plain), number(packed), number(header)
        at += 46 + name_len + extra_len + comment_len
        demand(name in FILES, f"{name!r} is no file of a bundle")
        demand(name not in entries, f"`{name}` is there twice")
        demand(plain <= FILES[name], f"`{name}` is too long")
        demand(disk in (0, 0xFFFF) and not flags & ~(8 | 6 | 1 << 11), f"`{name}` is written in a way that bundles are not")
        demand(method == 8 or method == 0 and plain == packed, f"`{name}` is compressed in a way that bundles are not")
        entries[name] = (header, flags, method, crc, packed, plain)
    demand(at == stop, "its directory has more than it counts, or less")
    files, at = {}, 0
    for name, (header, flags, method, crc, packed, plain) in sorted(entries.items(), key=lambda entry: entry[1]):
        demand(header == at and data[at:at + 4] == b"PK\3\4", f"there are bytes in front of `{name}` that no file has")
        local_flags, local_method, _, *says, name_len, extra_len = struct.unpack_from("<HHIIIIHH", data, at + 6)
        demand(data[at + 30:at + 30 + name_len] == name.encode(), f"`{name}`: header and directory differ in its name")
        number = zip64(data[at + 30 + name_len:at + 30 + name_len + extra_len])
        large = (number(says[2]), number(says[1]))
        says = (says[0], large[1], large[0])
        demand((local_flags, local_method) == (flags, method), f"`{name}`: header and directory differ in how it is written")
        demand(says == (crc, packed, plain) or flags & 8 and says == (0, 0, 0), f"`{name}`: header and directory differ in its length or checksum")
        at += 30 + name_len + extra_len
        demand(at + packed <= directory, f"`{name}` goes on into the directory")
        files[name] = unpack(name, data[at:at + packed], method, crc, plain)
        at += packed
        if flags & 8:
            shapes = [mark + struct.pack(form, crc, packed, plain) for mark in (b"PK\7\10", b"") for form in ("<IQQ", "<III")
                      if form == "<IQQ" or max(packed, plain) < 1 << 32]
            fits = [shape for shape in shapes if data[at:at + len(shape)] == shape and at + len(shape) <= directory]
            demand(fits, f"`{name}`: what stands behind its data and the directory differ")
            at += len(fits[0])
    demand(at == directory, "there are bytes in front of its directory that no file has")
    return files


def unpack(name, packed, method, crc, plain):
    if plain > UNPACKED_MAX:
        return Bad(f"`{name}` has more than 1 GiB, which this program does not read")
    content = packed
    if method == 8:
        inflate = zlib.decompressobj(-15)
        try:
            content = inflate.decompress(packed, plain + 1)
        except zlib.error:
            return Bad(f"`{name}` does not decompress")
        if not inflate.eof and len(content) <= plain:
            return Bad(f"`{name}` is cut short")
        if inflate.unused_data:
            return Bad(f"`{name}` has bytes behind its end")
    if len(content) != plain:
        return Bad(f"`{name}` is longer or shorter than the directory says")
    return content if zlib.crc32(content) == crc else Bad(f"`{name}` does not have the checksum that the directory says")


# --- Keys, notes, checkpoints ---------------------------------------------------------------------------------------------------

def verifier_key(text):
    """Name and public key of `name+id+base64`."""
    # Base64 has a plus sign too; the id in front of the key has not.
    found = re.fullmatch(r"([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)", text)
    demand(found, f"{text!r} is no verifier key")
    name, key_id, data = found.groups()
    data = debase(data)
    demand(len(data) == 33 and data[0] == 1, f"{text!r} is of another type")
    demand(id_of(name, data[1:]).hex() == key_id, f"{text!r}: the id is not the key's")
    return name, data[1:]


def debase(text):
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Bad(f"{text!r} is no base64") from error
    demand(base64.b64encode(data).decode() == text, f"{text!r} is no base64")
    return data


def id_of(name, public_key):
    return sha256(name.encode(), b"\n\1", public_key)[:4]


def signed_note(note):
    """Text and signatures, each of a name, the key's id and what is signed."""
    text, gap, signatures = note.rpartition("\n\n")
    demand(gap and signatures.endswith("\n") and len(note.encode()) <= 256 * KIB, "it is no signed note")
    lines, found = signatures[:-1].split("\n"), []
    demand(len(lines) <= 64, "it has too many signatures")
    for line in lines:
        parts = re.fullmatch("\u2014 ([^+\\s]+) (\\S+)", line)
        demand(parts, "it has a line that is no signature")
        data = debase(parts[2])
        demand(len(data) > 4, "it has a line that is no signature")
        found.append((parts[1], data[:4], data[4:]))
    return text + "\n", found


def demand_signed(text, signatures, name, public_key):
    own = [signature for signer, key_id, signature in signatures if (signer, key_id) == (name, id_of(name, public_key))]
    demand(own, f"it is not signed by the key of `{name}`")
    for signature in own:
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, text.encode())
        except (InvalidSignature, ValueError) as error:
            raise Bad(f"its signature by the key of `{name}` is wrong") from error


def open_checkpoint(note, origin, public_key):
    """Size and root of a checkpoint that this key signed; of any when there is none to check with."""
    text, signatures = signed_note(note)
    if public_key is not None:
        demand_signed(text, signatures, origin, public_key)
    parts = text.split("\n")
    demand(len(parts) >= 4 and re.fullmatch("0|[1-9][0-9]*", parts[1]), "it is no checkpoint")
    root = debase(parts[2])
    demand(parts[0] and len(root) == 32, "it is no checkpoint")
    demand(origin is None or parts[0] == origin, "it is of another log")
    return parts[0], int(parts[1]), root


def key_change(body, origin):
    """First size of the new key, the old one and the new one, of an entry of kind 5; none when the keys did not sign what it says."""
    try:
        states = parse(body)["metadata"]
        text, signatures = signed_note(states["succession"])
        first, ledger, *keys, end = text.split("\n")
        demand(first == "annals/signing-key/v1" and len(keys) == 2 and end == "" and keys == [states["old"], states["new"]], "it is no succession")
        demand(re.fullmatch(re.escape(ledger) + "/[at]/[0-9a-f]{32}", origin), "it is of another ledger")
        old, new = map(verifier_key, keys)
        demand(old[0] == new[0] == ledger and old[1] != new[1], "it is no succession")
        for _, public_key in (old, new):
            demand_signed(text, signatures, ledger, public_key)
        return natural(states["from"]), old[1], new[1]
    except WRONG:
        return None


def follow(at, signer, size, changes):
    """Whether the log's changes lead from a key to the one that signed its checkpoint; the problem when they do not."""
    for position, (first, old, new) in changes:
        if old == signer and first <= size:
            return f"the entry at position {position} says that another key signs from {first} records on"
        if old == at:
            at = new
    return None if at == signer else "the key is another than the one it is checked with, and no entry of the log introduces it"


# --- Trees ------------------------------------------------------------------------------------------------------------------------

class Tree:
    """Roots of complete subtrees from the left, each with its level."""

    def __init__(self):
        self.size, self.peaks = 0, []

    def push(self, level, node):
        self.size += 1 << level
        while self.peaks and self.peaks[-1][0] == level:
            node, level = sha256(b"\1", self.peaks.pop()[1], node), level + 1
        self.peaks.append((level, node))

    def root(self):
        if not self.peaks:
            return sha256()
        root = self.peaks[-1][1]
        for _, left in reversed(self.peaks[:-1]):
            root = sha256(b"\1", left, root)
        return root


def check_inclusion(leaf, position, size, hashes, root):
    """RFC 9162, 2.1.3.2."""
    demand(position < size, "the proof is of a position that the log does not have")
    at, last, node = position, size - 1, leaf
    for other in hashes:
        demand(last > 0, "the proof is too long")
        if at & 1 or at == last:
            node = sha256(b"\1", other, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = sha256(b"\1", node, other)
        at, last = at >> 1, last >> 1
    demand(last == 0 and node == root, "the proof does not lead to the root")


def check_consistency(first, first_root, second, second_root, hashes):
    """RFC 9162, 2.1.4.2."""
    demand(first <= second, "the proof is of a larger log")
    if first in (0, second):
        demand(not hashes and first_root == (second_root if first else sha256()), "the proof does not lead to the root")
        return
    hashes = ([first_root] if first & (first - 1) == 0 else []) + hashes
    demand(hashes, "the proof is too short")
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = hashes[0]
    for other in hashes[1:]:
        demand(last > 0, "the proof is too long")
        if at & 1 or at == last:
            old, new = sha256(b"\1", other, old), sha256(b"\1", other, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = sha256(b"\1", new, other)
        at, last = at >> 1, last >> 1
    demand(last == 0 and old == first_root and new == second_root, "the proof does not lead to the root")


# --- Entries, units, lines ---------------------------------------------------------------------------------------------------------

def entry_of(data):
    """Kind, class, time and commitment."""
    demand(len(data) >= 44, "the entry is cut short")
    version, kind, retention, at = struct.unpack_from(">BBHQ", data)
    demand(version == 1 and 1 <= kind <= 6, "the entry is of another version or kind")
    body = data[44:]
    demand((kind == 1) == (not body) and len(body) <= 32768, "the entry's body is not as its kind has it")
    demand(kind == 1 or sha256(b"\2", body) == data[12:44], "the entry's body does not match its commitment")
    return kind, retention, at, data[12:44], body


def canonical(value):
    """Value bytes, as text."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(canonical(name) + ":" + canonical(value[name]) for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, Number):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def pointer(*names):
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


def unpointer(name):
    return [part.replace("~1", "/").replace("~0", "~") for part in name.split("/")[1:]]


IN_ENVELOPE = ("id", "occurred_at", "action", "operation", "category", "severity", "source", "trace")


def rebuild(shown):
    """The event that units make: names and value bytes. It is put together from objects, by their places."""
    objects, targets = {(): {}}, 0

    def put(place, members):
        demand(isinstance(members, dict), "a unit that is no object")
        own = objects.setdefault(place, {})
        demand(not own.keys() & members.keys(), "a member stands twice")
        own.update(members)

    for number, (name, text) in enumerate(shown):
        value, path = parse(text), unpointer(name)
        demand(canonical(value) == text, f"the value of the unit `{name}` is not canonical")
        demand(number == 0 or re.fullmatch("/([^~]|~[01])*", name, re.DOTALL) and len(path) < 4, f"the unit `{name}` has no place in an event")
        if number == 0:
            demand(name == "" and isinstance(value, dict), "the envelope is none")
            for member, inner in value.items():
                if member in ("changes", "outcome"):
                    put((member,), inner)
                elif member == "targets":
                    demand(isinstance(inner, list), "the targets are none")
                    targets = len(inner)
                    for at, kind in enumerate(inner):
                        put(("targets", at), {} if kind is None else {"type": kind})
                else:
                    demand(member in IN_ENVELOPE, f"`{member}` is no member of an envelope")
                    put((), {member: inner})
        elif len(path) == 1:
            if path[0] in ("context", "metadata", "outcome"):
                put((path[0],), value)
            else:
                demand(path[0] not in (*IN_ENVELOPE, "actor", "changes", "targets"), f"the unit `{name}` has no place in an event")
                put((), {path[0]: value})
        elif path[0] == "changes":
            demand(path[1] in ("before", "after"), f"the unit `{name}` has no place in an event")
            if len(path) == 3:
                put(("changes", path[1]), {path[2]: value})
            elif isinstance(value, dict) and value:
                put(("changes", path[1]), value)
            else:
                put(("changes",), {path[1]: value})
        elif len(path) == 2 and path[0] == "targets":
            demand(re.fullmatch("0|[1-9][0-9]*", path[1]) and int(path[1]) < targets, "a target that is none")
            put(("targets", int(path[1])), value)
        else:
            is_own = path[0] in ("actor", "metadata") or path[0] == "context" and path[1] in ("ip", "user_agent")
            demand(len(path) == 2 and is_own, f"the unit `{name}` has no place in an event")
            put((path[0],), {path[1]: value})
    for place in (("changes", "after"), ("changes", "before"), ("actor",), ("changes",), ("context",), ("metadata",), ("outcome",)):
        if objects.get(place):
            put(place[:-1], {place[-1]: objects[place]})
    if targets:
        put((), {"targets": [objects[("targets", at)] for at in range(targets)]})
    return objects[()]


def split(event):
    """Names and value bytes of an event's units, in order."""
    units, folding, envelope = {}, {}, {}
    for name, value in event.items():
        if name in IN_ENVELOPE:
            envelope[name] = value
        elif name == "outcome":
            if "result" in value:
                envelope[name] = {"result": value["result"]}
            units["/outcome"] = {member: value[member] for member in value if member != "result"}
        elif name == "changes":
            for state in ("before", "after"):
                if isinstance(value.get(state), dict) and value[state]:
                    folding.update({pointer(name, state, member): (pointer(name, state), member, value[state][member]) for member in value[state]})
                elif state in value:
                    units[pointer(name, state)] = value[state]
            left = {member: value[member] for member in value if member not in ("before", "after")}
            envelope.update({name: left} if left else {})
        elif name == "targets":
            envelope[name] = [target.get("type") for target in value]
            units.update({pointer(name, str(at)): {member: target[member] for member in target if member != "type"} for at, target in enumerate(value)})
        elif name == "actor":
            units.update({pointer(name, member): value[member] for member in value})
        elif name == "context":
            units.update({pointer(name, member): value[member] for member in ("ip", "user_agent") if member in value})
            units["/context"] = {member: value[member] for member in value if member not in ("ip", "user_agent")}
        elif name == "metadata" and isinstance(value, dict):
            folding.update({pointer(name, member): (pointer(name), member, value[member]) for member in value})
        else:
            units[pointer(name)] = value
    rests = [name for name in units if (name in ("/outcome", "/context") or name.startswith("/targets/")) and units[name] == {}]
    units = {name: value for name, value in units.items() if name not in rests}
    units[""], count, rest = envelope, len(units) + 1, {}
    for name, (parent, member, value) in sorted(folding.items(), key=lambda item: item[0].encode()):
        if count < 128 and len(name.encode()) <= 1024:
            units[name], count = value, count + 1
        else:
            rest.setdefault(parent, {})[member] = value
    units.update(rest)
    return [(name, canonical(units[name])) for name in sorted(units, key=str.encode)]


class Record:
    """A line with an entry, checked by itself."""

    def __init__(self, line):
        members = {name: value for name, value in line.items() if value is not None}
        demand(not members.keys() - {"position", "entry", "secret", "units", "expired"}, "a line must be a record or a gap")
        self.position, self.expired = natural(members["position"]), None
        self.entry = unhex(members["entry"])
        self.kind, self.retention, self.at, commitment, self.body = entry_of(self.entry)
        if "expired" in members:
            self.expired = natural(members["expired"])
        self.parts, self.problem, self.event = None, None, None
        secret = unhex(members["secret"], 16) if "secret" in members else None
        if "units" not in members:
            self.problem = None if secret is None else "a secret without units"
            return
        self.parts = []
        demand(isinstance(members["units"], list), "units must be an array")
        units = [self.unit(unit) for unit in members["units"]]
        try:
            demand(self.kind == 1, "an entry of the log's own has no units")
            self.commit(units, secret, commitment)
            shown = [part[1:] for part in self.parts if part[0] == "shown"]
            if self.parts[:1] and self.parts[0][0] == "shown":
                self.event = rebuild(shown)
                if len(shown) == len(self.parts):
                    demand(split(self.event) == shown, "the units are not those that the event splits into")
        except WRONG as error:
            self.problem = str(error)

    @staticmethod
    def unit(unit):
        demand(isinstance(unit, list) and unit and type(unit[0]) is str, "a unit must be an array that begins with a text")
        if len(unit) > 1 and type(unit[1]) is str:
            demand(len(unit) <= 3, "a unit with too many parts")
            return ("shown", unit[0], unit[1], unhex(unit[2], 16) if len(unit) == 3 else None)
        demand(len(unit) <= 2, "a unit with too many parts")
        return ("hidden", unhex(unit[0], 32), natural(unit[1]) if len(unit) == 2 else None)

    def commit(self, units, secret, commitment):
        digests, last = [], None
        for number, unit in enumerate(units):
            if unit[0] == "hidden":
                demand(secret is None, "a unit is hidden beside the secret that shows it")
                digests.append(unit[1])
                self.parts.append(("hidden", unit[2]))
                continue
            _, name, value, salt = unit
            demand(last is None or last < name.encode(), "units out of order")
            last = name.encode()
            demand((salt is None) == (secret is not None), "a salt or a secret is needed, and only one of the two")
            if salt is None:
                pair = sha256(b"\3", secret, struct.pack(">I", number // 2))
                salt = pair[16 * (number % 2):][:16]
            demand(len(last) < 1 << 16, "a unit's name is too long")
            digests.append(sha256(b"\4", salt, struct.pack(">H", len(last)), last, value.encode()))
            self.parts.append(("shown", name, value))
        whole = sha256(b"\5", struct.pack(">I", len(digests)), *digests)
        demand(whole == commitment, "the event's values are not those that were recorded")


# --- The log ------------------------------------------------------------------------------------------------------------------------

def runs_of(runs, position):
    runs = [(natural(first), natural(last)) for first, last in runs]
    demand(all(first <= last for first, last in runs) and all(a[1] < b[0] for a, b in zip(runs, runs[1:])), "runs must rise without overlap")
    demand(not runs or runs[-1][1] < position, "it speaks of positions after its own")
    return runs


def covers(runs, position):
    return any(first <= position <= last for first, last in runs)


class Excuse:
    """An entry of `lifecycle.ndjson`."""

    def __init__(self, record):
        self.entry, self.kind, self.met, self.used = record.entry, record.kind, False, False
        if self.kind not in (2, 3):
            return
        try:
            states = parse(record.body)["metadata"]
            if self.kind == 2:
                self.approved = natural(states["approvals"]) >= natural(states["approvals_required"])
                demand(states["stage"] in ("ordered", "done") and type(states["case"]) is type(states["reason"]) is str, "it states no erasure")
                self.erased = [(runs_of(erased["runs"], record.position), [natural(unit) for unit in erased["units"]]) for erased in states["erased"]]
            else:
                self.retention, self.cutoff = natural(states["class"]), natural(states["cutoff_ms"])
                self.runs = runs_of(states["runs"], record.position)
        except WRONG as error:
            raise Bad(f"the entry at position {record.position}: {error}") from error

    def erases(self, position, unit):
        if self.kind != 2 or not any(covers(runs, position) and unit in units for runs, units in self.erased):
            return "which does not cover it" if self.kind == 2 else "which says nothing of the kind"
        self.used |= self.approved
        return None if self.approved else "with fewer approvals than it takes"

    def expires(self, record):
        if self.kind != 3 or record.retention != self.retention or record.at >= self.cutoff or not covers(self.runs, record.position):
            return "which does not cover it" if self.kind == 3 else "which says nothing of the kind"
        self.used = True
        return None


def gap_nodes(at, end):
    """Levels of the largest complete subtrees."""
    while at < end:
        level = min((at & -at).bit_length() - 1 if at else 63, (end - at).bit_length() - 1)
        yield level
        at += 1 << level


class Bundle:
    def __init__(self, data, log_key):
        self.log_key, self.problems, self.positions = log_key, [], []
        try:
            self.files = read_archive(data)
            self.verify()
        except WRONG as error:
            self.problems.append(str(error))

    def find(self, problem):
        self.problems.append(problem)

    def content(self, name):
        content = self.files.get(name, b"")
        if isinstance(content, Bad):
            self.find(str(content))
            return b""
        return content

    def document(self, name):
        """A JSON file, or none."""
        try:
            return parse(self.content(name)) if name in self.files else None
        except Bad as error:
            return self.find(f"`{name}`: {error}")

    def verify(self):
        for name in NEEDED:
            if name not in self.files:
                self.find(f"the bundle has no `{name}`")
        manifest = parse(self.content("manifest.json"))
        demand(manifest.get("format") == "annals-bundle/1", f"a bundle of the format {manifest.get('format')!r}")
        manifest.setdefault("filter", None)
        shaped(manifest, MANIFEST, "manifest.json")
        demand(len(manifest["range"]) == 2, "a range must have two ends")
        demand(manifest["mode"] in ("selection", "gap-free", "covered"), f"{manifest['mode']!r} is no mode")
        self.check_files(manifest)
        note = self.content("checkpoint").decode("utf-8", "replace")
        origin, size, root = open_checkpoint(note, None, None)
        found = self.found_key(origin)
        demand(found or self.log_key, f"log {origin}: no key to check it with")
        trusted = found
        if self.log_key:
            name, trusted = self.log_key
            demand(origin == name or origin.startswith(name + "/"), f"the key given is of `{name}`")
        try:
            key = trusted
            open_checkpoint(note, origin, key)
        except Bad:
            demand(found, "the checkpoint is not signed by the key given")
            # It is to be believed once the log leads to it.
            key = found
            open_checkpoint(note, origin, key)
        self.lifecycle, self.manifest, self.origin, self.size = {}, manifest, origin, size
        self.read_lifecycle()
        self.whole = [natural(bound) for bound in manifest["range"]]
        self.withheld, self.condition = self.patterns(), None
        try:
            if manifest["filter"] is not None:
                self.condition = filters.read(manifest["filter"])
                hides = [need for need in filters.needs(self.condition, 0) for own in self.withheld if filters.overlap(own, need)]
                if hides and manifest["mode"] == "covered":
                    self.find("the bundle withholds what its filter looks at")
        except WRONG as error:
            self.find(f"`manifest.json`: the filter cannot be read: {error}")
        if self.whole[0] >= self.whole[1]:
            self.find("the bundle accounts for no position: its range is empty")
        self.walk()
        problem = follow(trusted, key, size, self.changes)
        if problem or found not in (None, key):
            self.find(f"log {origin}: {problem or 'the key that the log shows did not sign the checkpoint'}")
        self.finish(origin, size, root)
        self.check_growth(origin, size, root, key)

    def found_key(self, origin):
        """The last key of `trust.json` under the log's name."""
        trust, found = self.document("trust.json"), []
        if trust is None:
            return None
        try:
            shaped(trust, {"keys": [{"key": TEXT, "from": int}], "witnesses": [TEXT]}, "trust.json")
        except Bad as error:
            return self.find(f"`trust.json`: {error}")
        for key in trust["keys"]:
            try:
                found += [public_key for name, public_key in [verifier_key(key["key"])] if name == origin]
            except Bad:
                pass  # of a kind that is not known yet
        if not found:
            self.find(f"`trust.json` has no key of log {origin}")
        return found[-1] if found else None

    def patterns(self):
        """What is withheld on purpose; nothing when a pattern is none."""
        patterns = self.manifest["withheld"]
        needs = [filters.need(pattern) for pattern in patterns]
        for pattern, (name, _) in zip(patterns, needs):
            if not name.startswith("/") or pattern == "/" or len(name.encode()) > UNIT_NAME_BYTES_MAX:
                self.find(f"`manifest.json`: withheld: {pattern!r} is no unit")
                return []
        if len(patterns) > WITHHELD_MAX:
            self.find(f"`manifest.json`: withheld: more than {WITHHELD_MAX} units")
            return []
        return needs

    def check_files(self, manifest):
        listed = {}
        for file in manifest["files"]:
            demand(file["name"] not in listed, f"`manifest.json` lists `{file['name']}` twice")
            listed[file["name"]] = (natural(file["bytes"]), unhex(file["sha256"], 32))
        for name in listed:
            if name not in self.files or name == "manifest.json":
                self.find(f"`manifest.json` lists `{name}`, which is not there")
        for name in self.files.keys() - {"manifest.json"}:
            content = self.content(name)
            if name not in listed:
                self.find(f"`{name}` is not listed in `manifest.json`")
            elif listed[name] != (len(content), sha256(content)):
                self.find(f"`{name}` does not have the length or the SHA-256 that `manifest.json` says")

    def read_lifecycle(self):
        problems = 0
        for line in self.content("lifecycle.ndjson").split(b"\n"):
            try:
                if line:
                    record = Record(parse(line))
                    demand(record.position not in self.lifecycle, f"the entry at position {record.position} is listed twice")
                    if record.kind != 1:
                        self.lifecycle[record.position] = Excuse(record)
            except WRONG as error:
                problems += 1
                if problems > UNREADABLE_MAX:
                    return self.find("`lifecycle.ndjson`: more of it cannot be read")
                self.find(f"`lifecycle.ndjson`: {error}")

    def walk(self):
        self.tree, self.last_at, self.counts, self.matched, self.changes = Tree(), 0, [0, 0], 0, []
        lines = self.content("log.ndjson").split(b"\n")
        for line in lines[:-1]:
            try:
                demand(len(line) <= LINE_BYTES_MAX, "a line that is too long")
                members = parse(line)
                if members.get("gap") is not None:
                    self.gap(members)
                else:
                    record = Record(members)
                    self.need_known(record)
                    demand(record.position == self.tree.size, f"position {record.position} comes where {self.tree.size} has to")
                    self.record(record)
            except WRONG as error:
                return self.find(f"`log.ndjson`, after position {self.tree.size}: {error}")
            if self.tree.size > self.size:
                return self.find(f"the log goes on, and its checkpoint has {self.size} records")
        if lines[-1]:
            self.find("the last line is cut short")

    def need_known(self, record):
        """Of an event that is shown whole the filter must be able to tell."""
        is_whole = record.event is not None and all(part[0] == "shown" for part in record.parts)
        if self.condition is not None and is_whole and not record.problem and not filters.known(record.event):
            record.problem = "the event's time or operation is none"

    def gap(self, members):
        demand({name for name in members if members[name] is not None} == {"gap", "nodes"}, "a line must be a record or a gap")
        first, end = map(natural, members["gap"])
        nodes = [unhex(node, 32) for node in members["nodes"]]
        demand(first == self.tree.size and first < end, f"a gap from {first} to {end} where position {self.tree.size} has to come")
        if self.manifest["mode"] != "selection" and max(first, self.whole[0]) < min(end, self.whole[1]):
            self.find(f"position {max(first, self.whole[0])}: positions are left out, and the bundle says that none is")
        levels = list(gap_nodes(first, end))
        demand(len(levels) == len(nodes), f"a gap to {end} with {len(nodes)} hashes, it takes {len(levels)}")
        for level, node in zip(levels, nodes):
            self.tree.push(level, node)

    def record(self, record):
        self.tree.push(0, sha256(b"\0", record.entry))
        self.counts[0] += 1
        self.counts[1] += record.parts is not None and record.kind == 1
        if record.at < self.last_at:
            self.find(f"position {record.position}: received before the record in front of it")
        self.last_at = max(self.last_at, record.at)
        verdict, problem = self.judge(record)
        self.positions.append([record.position, verdict])
        if problem:
            self.find(f"position {record.position}: {problem}")
        if record.kind == 1 and not record.problem:
            self.against_the_filter(record, verdict)

    def judge(self, record):
        """The verdict, and what is wrong where it is unexplained."""
        if record.kind != 1:
            if record.problem or record.expired is not None:
                return "unexplained", "an entry of the log's own that pretends to be an event"
            stated = self.lifecycle.get(record.position)
            if stated:
                stated.met = stated.entry == record.entry
            same = stated is None or stated.met
            if same and record.kind == 5 and len(self.changes) < KEYS_MAX:
                change = key_change(record.body, self.origin)
                self.changes += [(record.position, change)] if change else []
            return ("intact", None) if same else ("unexplained", "the entry differs from the one in `lifecycle.ndjson`")
        if record.problem:
            return "unexplained", record.problem
        excuses = []
        if record.expired is not None:
            excuses.append(("expired", record.expired, lambda excuse: excuse.expires(record)))
        else:
            for number, part in enumerate(record.parts or []):
                if part[0] == "hidden" and part[1] is not None:
                    excuses.append(("erased", part[1], lambda excuse, number=number: excuse.erases(record.position, number)))
        for word, by, ask in excuses:
            problem = ask(self.lifecycle[by]) if by in self.lifecycle else "which the bundle does not have"
            if problem:
                return "unexplained", f"said to be {word} by entry {by}, {problem}"
        if excuses:
            return excuses[0][0], None
        is_whole = record.parts is not None and all(part[0] == "shown" for part in record.parts)
        return ("intact" if is_whole else "withheld"), None

    def against_the_filter(self, record, verdict):
        seen = filters.Seen(record, self.manifest["tenant"])
        truth = filters.YES if self.condition is None else filters.look(self.condition, seen)
        covered = self.manifest["mode"] == "covered"
        parts = [part for part in record.parts or [] if part[0] == "shown" or part[1] is None]
        hidden = filters.hidden_between([part[1] if part[0] == "shown" else None for part in parts])
        allowed = all(after is not None and any(filters.could_be(need, (after, before)) for need in self.withheld) for after, before in hidden)
        disclosed, problem = record.event is not None and allowed, None
        if not self.whole[0] <= record.position < self.whole[1]:
            problem = "an event outside of the range that the manifest names"
        elif truth == filters.NO:
            problem = "an event that the filter does not take" if not covered and record.parts is not None else None
        elif disclosed:
            self.matched += 1
        elif verdict in ("erased", "expired"):
            pass
        elif truth == filters.YES:
            problem = "the filter takes this event, and the bundle does not show it"
        elif covered:
            problem = "whether the filter takes this event cannot be told from what is shown"
        elif record.parts is not None:
            problem = "more of the event is hidden than the manifest says"
        if problem:
            self.find(f"position {record.position}: {problem}")

    def finish(self, origin, size, root):
        if self.tree.size != size:
            self.find(f"the log ends at {self.tree.size}, its checkpoint has {size} records")
        elif self.tree.root() != root:
            self.find("the records and hashes do not give the root that was signed")
        for position, excuse in self.lifecycle.items():
            if excuse.used and not excuse.met:
                self.find(f"position {position}: an entry of `lifecycle.ndjson` excuses others and is not in the log")
        manifest = self.manifest
        counts = [natural(manifest["counts"]["records"]), natural(manifest["counts"]["disclosed"])]
        for holds, what in ((manifest["origin"] == origin, "origin"), (natural(manifest["size"]) == size, "size"),
                            (self.whole[1] <= size, "range"), (counts == self.counts, "counts")):
            if not holds:
                self.find(f"the manifest's {what} is not as the log has it")

    def check_growth(self, origin, size, root, key):
        try:
            earlier = self.document("earlier.json")
            if earlier is not None:
                hashes = [unhex(node, 32) for node in earlier["hashes"]]
                check_consistency(natural(earlier["size"]), unhex(earlier["root"], 32), size, root, hashes)
            registry = self.document("registry.json")
            if registry is not None:
                ledger = origin.rsplit("/", 2)[0]
                demand(re.fullmatch(re.escape(ledger) + "/[at]/[0-9a-f]{32}", registry["origin"]), "it is a log of another ledger")
                _, total, top = open_checkpoint(registry["checkpoint"], registry["origin"], key)
                entry = unhex(registry["entry"])
                kind, _, _, _, body = entry_of(entry)
                demand(kind == 6, "the registry's entry states no head")
                head = parse(body)["metadata"]
                demand(head["origin_sha256"] == sha256(origin.encode()).hex(), "the registry's entry is about another log")
                hashes = [unhex(node, 32) for node in registry["hashes"]]
                check_inclusion(sha256(b"\0", entry), natural(registry["position"]), total, hashes, top)
                hashes = [unhex(node, 32) for node in registry["consistency"]]
                check_consistency(natural(head["size"]), unhex(head["root"], 32), size, root, hashes)
        except WRONG as error:
            self.find(f"`earlier.json` or `registry.json`: {error}")


def main(arguments):
    sys.setrecursionlimit(RECURSION_MAX)
    log_key = None
    if arguments[:1] == ["--log-key"]:
        try:
            log_key, arguments = verifier_key(arguments[1]), arguments[2:]
        except (Bad, IndexError) as error:
            print(f"--log-key: {error}", file=sys.stderr)
            return 2
    held = True
    for path in arguments:
        try:
            with open(path, "rb") as file:
                bundle = Bundle(file.read(), log_key)
            positions, problems = bundle.positions, bundle.problems
        except OSError as error:
            positions, problems = [], [str(error)]
        held &= not problems
        print(json.dumps({"bundle": path, "holds": not problems, "positions": positions, "problems": problems}))
    return 0 if held else 8


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
