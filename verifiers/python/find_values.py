#!/usr/bin/env python3
"""Looks for values in a data folder: python3 find_values.py FOLDER VALUES

VALUES is a file with a value a line, each a single word of ASCII letters and digits. Every file is looked through as it is, in every
spelling below; beside that, sealed segments are decoded by read_segment.py (every list of values, whether a record uses a value or
not, every shape, every payload, every event), their indexes are asked for the hash of each value (one that another value's entry has by chance does not count), and journals are taken apart into
frames and batches. Prints one JSON object: `found` has for each value that is anywhere its places, `secrets` says which secrets can
be had of what was erased. Exit code 1 when something cannot be read.

Written from docs/reference/{segment,journal,ledger,manifest}-format.md and commitment.md. Needs the packages `xxhash` and, for
secrets, `cryptography`.
"""

import base64
import hashlib
import json
import re
import sys
from pathlib import Path

import xxhash

from read_segment import Segment, little, require
from segment_leaves import read_roots, secret

LISTS = {"text", "hex", "uuid", "ints", "times", "mixed"}
JOURNAL, FRAME, SECTOR = b"annals-journal\0\1", 28, 512
RECORDS, ROOT = 2, 32
TRIES = 20


class Search:
    def __init__(self, values):
        require(all(value.isascii() and value.isalnum() for value in values), "a value that is no word")
        self.found, self.secrets = {}, []
        # Spellings that a file might have: as given, in small and large letters, these in hexadecimal, and in base64, of which
        # the first characters depend on what stands before.
        self.spellings = []
        for value in values:
            data = [text.encode() for text in {value, value.lower(), value.upper()}]
            inner = [base64.b64encode(bytes(shift) + data[0])[4 * (shift > 0) :].rstrip(b"=")[:-1] for shift in range(3)]
            self.spellings.append((value, [*data, *(text.hex().encode() for text in data), *inner]))

    def note(self, value, place):
        places = self.found.setdefault(value, [])
        if place not in places:
            places.append(place)

    def look(self, data, place):
        for value, spellings in self.spellings:
            if any(spelling in data for spelling in spellings):
                self.note(value, place)

    def ask(self, file, index, seed, place, held):
        """Whether an index of hashes has that of a value: 16 bits beside those of a bucket. Another value may have the same; one of
        those that the entry stands for, which `held` gives, must have them then."""
        if index is None:
            return
        bits, starts, ordinals = index["bits"], file.numbers(index["starts"]), file.numbers(index["ordinals"])
        sums = [little(file.bytes(index["at"] + 2 * i, 2)) for i in range(len(ordinals))]

        def short(text):
            hashed = xxhash.xxh3_64_intdigest(text, seed=seed)
            return hashed >> (64 - bits), (hashed >> (48 - bits)) & 0xFFFF

        for value, _ in self.spellings:
            for spelling in {value, value.lower(), value.upper()}:
                wanted = short(spelling.encode())
                for entry in range(starts[wanted[0]], starts[wanted[0] + 1]):
                    if sums[entry] != wanted[1]:
                        continue
                    same = [text for text in held(ordinals[entry]) if short(text) == wanted]
                    if not same or any(text.lower() == value.lower().encode() for text in same):
                        self.note(value, place)


def held_by(file, footer):
    """What entries of a column's index stand for, by the column's place, and what those of the index of words do."""
    read, numbered = {}, []
    for at, table in enumerate(footer["tables"]):
        for column_at, column in enumerate(table["columns"]):
            read[at, column_at] = None
            if column["words"] is not None:
                numbered.append((column["words"], (at, column_at)))

    def values(place):
        if read[place] is None:
            read[place] = file.values(footer["tables"][place[0]]["columns"][place[1]]["values"])
        return read[place]

    def words(number):
        index = footer["words"]
        starts, lists = file.numbers(index["starts"]), file.numbers(index["lists"])
        for of in lists[starts[number] : starts[number + 1]]:
            first, place = max(one for one in numbered if one[0] <= of)
            text = values(place)[of - first].decode(errors="replace").casefold()
            yield from (word.encode() for word in re.findall(r"\w+", text))

    return lambda place: lambda ordinal: [values(place)[ordinal]], words


def lists_of(coded, path=""):
    """Every list of values below a part of the footer, with where it is; those of `mixed` ones are looked through with it."""
    if isinstance(coded, dict):
        if "path" in coded:
            path += "/" + "/".join(coded["path"])
        elif isinstance(coded.get("kind"), str) and coded["kind"] in LISTS:
            yield path, coded
            return
        for name, part in coded.items():
            yield from lists_of(part, f"{path}.{name}" if name not in ("columns", "tables") else path)
    elif isinstance(coded, list):
        for part in coded:
            yield from lists_of(part, path)


def read_segment(search, name, data, roots):
    segment = Segment(data)
    file = segment.file
    for path, coded in lists_of(file.footer):
        search.look(b"\n".join(file.values(coded)), f"{name}: list {path}")
        for symbol in [coded["symbols"]] if coded.get("symbols") else []:
            search.look(file.bytes(symbol["at"], symbol["len"]), f"{name}: symbols {path}")
    for row, payload in segment_payloads(segment):
        search.look(payload, f"{name}: payload of row {row}")
    of_column, of_words = held_by(file, file.footer)
    seed = file.footer["seed"]
    search.ask(file, file.footer["words"]["index"], seed, f"{name}: index of words", of_words)
    for at, table in enumerate(file.footer["tables"]):
        for column_at, column in enumerate(table["columns"]):
            where = "/".join(table["path"] + column["path"])
            search.ask(file, column["index"], seed, f"{name}: index of {where}", of_column((at, column_at)))
    known = read_roots(segment, require)
    names = file.region(segment.known["roots"], ROOT)
    punctured = set(file.numbers(segment.known["punctured"]["roots"])) if segment.known.get("punctured") else set()
    for index, root in enumerate(known):
        named = names[index] if index in punctured else name_of(names[index])
        roots.setdefault(named, []).append((name, root, index in punctured))
    erased = []
    for row, (facts, event, (root, counter), fate, _) in enumerate(segment.records()):
        search.look(event, f"{name}: event of row {row}")
        if fate and "erased" in fate:
            named = names[root] if root in punctured else name_of(names[root])
            erased.append((f"{name}: row {row}, {facts['tenant']} {facts['position']}", named, counter))
    return erased


def segment_payloads(segment):
    fates = segment.file.footer.get("fates")
    if not fates:
        return []
    rows = segment.file.numbers(fates["rows"])
    return zip(rows, segment.lists(fates["starts"], fates["payloads"]), strict=True)


def name_of(root):
    return hashlib.sha256(b"\7" + root).digest()


def read_journal(search, name, data, roots):
    """Frames one behind the other; what is behind the last one is looked through as it is."""
    require(data[:16] == JOURNAL, "it is no journal of version 1")
    at, frames = SECTOR, 0
    while at + FRAME <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if not length:
            following = -(-at // SECTOR) * SECTOR
            if following == at:
                break
            at = following
            continue
        batch = data[at + FRAME : at + FRAME + length]
        if len(batch) < length:
            break
        frames += 1
        search.look(batch, f"{name}: batch {int.from_bytes(data[at + 8 : at + 16], 'big')}")
        if batch[:2] == bytes([1, RECORDS]) and name.startswith("journal/"):
            first = 20 if batch[10] & 2 else 12
            count = batch[first - 1]
            for i in range(count):
                root = batch[first + i * ROOT :][:ROOT]
                roots.setdefault(name_of(root), []).append((name, [(0, 0, root)], False))
        at += FRAME + length
    return frames


def search_folder(values, folder):
    search, files, roots, erased, counts = Search(values), listed(folder), {}, [], {"segments": 0, "frames": 0}
    for path in files:
        name, data = str(path.relative_to(folder)), path.read_bytes()
        search.look(data, f"{name}: bytes")
        search.look(name.encode(), f"{name}: name")
        if name.endswith(".seg"):
            erased += read_segment(search, name, data, roots)
            counts["segments"] += 1
        elif name.endswith(".journal"):
            counts["frames"] += read_journal(search, name, data, roots)
    for row, named, counter in erased:
        for where, root, _ in roots.get(named, []):
            if secret(root, counter) is not None:
                search.secrets.append(f"{row}: its secret follows from a root in {where}")
    counts |= {"files": len(files), "roots": len(roots), "erased": len(erased)}
    return files, {"found": search.found, "secrets": search.secrets, "counts": counts}


def listed(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".tmp"))


def main(folder, values):
    folder, values = Path(folder), Path(values).read_text().split()
    for _ in range(TRIES):
        try:
            files, said = search_folder(values, folder)
        except FileNotFoundError:
            continue
        # While a server runs, what one file had may be in another by now.
        if files == listed(folder):
            return print(json.dumps(said))
    sys.exit(f"{folder}: its files change too often")


if __name__ == "__main__":
    main(*sys.argv[1:])
