#!/usr/bin/env python3
"""Checks logs that annals published, with three transparency packages by three authors.

It shares no code with annals. `proofbundle` checks the signatures and the `.tlog-proof`, `scitt_cose` and `tamperlog`
each compute the root from all entries and check both proofs; the tiles are compared with hashes computed here. What
it expects to find in a case folder, and what it prints, is in ../README.md.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import NamedTuple

from proofbundle.checkpoint import verify_checkpoint
from proofbundle.tlogproof import verify_tlog_proof
from scitt_cose import merkle as scitt
from tamperlog import merkle as tamperlog

TILE_WIDTH = 256


class Rejected(Exception):
    """Something in a case does not hold."""


class Checkpoint(NamedTuple):
    """What a checkpoint's signed text says."""

    origin: str
    size: int
    root: bytes


def require(holds: bool, message: str) -> None:
    if not holds:
        raise Rejected(message)


def open_checkpoint(path: Path, vkey: str) -> Checkpoint:
    """Reads a checkpoint; its signature and origin are the key's, or it is rejected."""
    note = path.read_text()
    require(verify_checkpoint(note, vkey)["ok"], f"{path.name}: not signed by the log's key")
    origin, size, root = note.split("\n")[:3]
    require(origin == vkey.split("+")[0], f"{path.name}: origin `{origin}` is not the key's name")
    return Checkpoint(origin, int(size), base64.b64decode(root))


def tile_path(log: Path, level: int | str, index: int, width: int) -> Path:
    """A tile's path by C2SP tlog-tiles: three digits an element, `x` before all but the last."""
    elements = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        elements.insert(0, f"x{index % 1000:03}")
    if width < TILE_WIDTH:
        elements[-1] += ".p"
        elements.append(str(width))
    return log.joinpath("tile", str(level), *elements)


def tiles(count: int):
    """Index and width of each tile of a level that has `count` hashes or entries."""
    for first in range(0, count, TILE_WIDTH):
        yield first // TILE_WIDTH, min(count - first, TILE_WIDTH)


def read_entries(log: Path, size: int) -> list[bytes]:
    """All entries of all bundles, which must be as many as the checkpoint says and no byte longer."""
    entries = []
    for index, width in tiles(size):
        bundle = tile_path(log, "entries", index, width).read_bytes()
        at = 0
        for _ in range(width):
            end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
            require(at + 2 <= end <= len(bundle), f"entry bundle {index}: ends early")
            entries.append(bundle[at + 2 : end])
            at = end
        require(at == len(bundle), f"entry bundle {index}: bytes follow the last entry")
    return entries


def check_tiles(log: Path, leaves: list[bytes]) -> None:
    """Every hash tile holds the hashes that follow from the entries."""
    level, hashes = 0, leaves
    while hashes:
        for index, width in tiles(len(hashes)):
            first = index * TILE_WIDTH
            want = b"".join(hashes[first : first + width])
            require(
                tile_path(log, level, index, width).read_bytes() == want,
                f"tile {index} of level {level}: not the hashes of the entries",
            )
        # A tile's root is the hash above it; a partial tile has none yet.
        complete = len(hashes) // TILE_WIDTH
        hashes = [subtree_root(hashes[i * TILE_WIDTH : (i + 1) * TILE_WIDTH]) for i in range(complete)]
        level += 1


def subtree_root(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2])
        hashes = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return hashes[0]


def check_root(entries: list[bytes], leaves: list[bytes], head: Checkpoint) -> None:
    require(tamperlog.merkle_root(leaves) == head.root, "tamperlog: the entries have another root")
    root = scitt.merkle_root([entry.hex() for entry in entries])
    require(root == head.root.hex(), "scitt_cose: the entries have another root")


def check_event_proof(case: Path, vkey: str, head: Checkpoint, entries: list[bytes]) -> int:
    """The `.tlog-proof` of one event shows that the entry at its place is in the log; returns the place."""
    text = (case / "event.tlog-proof").read_text()
    lines = text.partition("\n\n")[0].split("\n")
    require(len(lines) >= 2 and lines[1].startswith("index "), "event.tlog-proof: no index")
    index = int(lines[1].removeprefix("index "))
    require(0 <= index < head.size, f"event.tlog-proof: index {index} is not in the log")
    verdict = verify_tlog_proof(text, entries[index], vkey, expected_origin=head.origin)
    require(verdict["ok"], f"proofbundle: event.tlog-proof: {verdict.get('detail', 'not proven')}")

    hashes = [base64.b64decode(line, validate=True) for line in lines[2:]]
    tamperlog.verify_inclusion(index, head.size, tamperlog.leaf_hashes_for([entries[index]])[0], hashes, head.root)
    proven = scitt.verify_inclusion(
        entries[index].hex(), index, head.size, [digest.hex() for digest in hashes], head.root.hex()
    )
    require(proven, "scitt_cose: event.tlog-proof: not proven")
    return index


def check_consistency(case: Path, vkey: str, head: Checkpoint) -> int:
    """The log extends its older checkpoint, if the case has one; returns that one's size."""
    path = case / "older-checkpoint"
    if not path.exists():
        return 0
    older = open_checkpoint(path, vkey)
    hashes = json.loads((case / "consistency.json").read_bytes())["hashes"]
    proven = scitt.verify_consistency(older.root.hex(), head.root.hex(), older.size, head.size, hashes)
    require(proven, "scitt_cose: consistency.json: not proven")
    digests = [bytes.fromhex(digest) for digest in hashes]
    tamperlog.verify_consistency(older.size, older.root, head.size, head.root, digests)
    return older.size


def verify_case(case: Path) -> str:
    """Checks everything in one case folder and says what it found there."""
    vkey = (case / "vkey").read_text().strip()
    log = case / "log"
    head = open_checkpoint(log / "checkpoint", vkey)
    entries = read_entries(log, head.size)
    leaves = tamperlog.leaf_hashes_for(entries)
    check_tiles(log, leaves)
    check_root(entries, leaves, head)
    index = check_event_proof(case, vkey, head, entries)
    older = check_consistency(case, vkey, head)
    return f"size={head.size} older={older} proof={index}"


def main(cases: list[str]) -> int:
    if not cases:
        print("usage: verify.py CASE...", file=sys.stderr)
        return 2
    failed = False
    for case in cases:
        try:
            print("ok", case, verify_case(Path(case)), sep="\t")
        # A package may fail in any way on bytes that were damaged; each of them is a rejection.
        except Exception as error:
            failed = True
            reason = " ".join(str(error).split()) or type(error).__name__
            print("rejected", case, reason, sep="\t")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
