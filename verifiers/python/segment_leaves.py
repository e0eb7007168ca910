"""The leaves of a segment's records, computed from events and secrets by corpus/vectors/generate.py (which needs the package
`cryptography`), and held against the segment's tags and sums. Of an event that was erased in part the leaf is not computed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "corpus/vectors"))
import generate


def read_roots(segment, require):
    """Per root what secrets grow from: first counters, rising, of subtrees, and each one's depth and seed."""
    roots = [[(0, 0, root)] for root in segment.file.region(segment.known["roots"], 32)]
    punctured = segment.known.get("punctured")
    if punctured:
        which, encoded = segment.file.numbers(punctured["roots"]), segment.lists(punctured["starts"], punctured["encoded"])
        for index, left in zip(which, encoded, strict=True):
            require(left[0] == 1 and len(left) == 3 + 19 * int.from_bytes(left[1:3], "big"), "a punctured root")
            trees = [left[i : i + 19] for i in range(3, len(left), 19)]
            roots[index] = [(int.from_bytes(tree[:2], "big"), tree[2], tree[3:]) for tree in trees]
    return roots


def secret(root, counter):
    """The secret that grows from what is left of a root, or `None`."""
    for first, depth, seed in root:
        if first <= counter < first + (4096 >> depth):
            for bit in reversed(range(12 - depth)):
                halves = generate.sha256(b"\6", seed)
                seed = halves[16:] if counter >> bit & 1 else halves[:16]
            return seed
    return None


def leaf(roots, facts, event, which, fate, received_at_ms):
    if fate and "erased" in fate:
        return None
    kind, body = facts.get("stated", 1), event if "stated" in facts else b""
    if fate:
        body, commitment = b"", bytes.fromhex(fate["expired"]["commitment"])
    elif body:
        commitment = generate.sha256(b"\2", body)
    else:
        commitment = generate.commit(secret(roots[which[0]], which[1]), generate.units(generate.parse(event)))[0]
    return generate.sha256(b"\0", generate.entry(kind, facts["class"], received_at_ms, commitment) + body)


def check(segment, require):
    roots = read_roots(segment, require)
    leaves, sums = [leaf(roots, *record) for record in segment.records()], {}
    tags = segment.file.region(segment.proof["tags"], 2)
    told = zip(leaves, tags, strict=True)
    require(all(leaf is None or leaf[:2] == tag for leaf, tag in told), "a leaf that has not its tag")
    for run, (_, _, rows, position) in enumerate(segment.runs):
        for row, position in zip(rows, range(position, position + len(rows))):
            part, known = (run, position // 256), leaves[row]
            before = sums.get(part, 0)
            # Without one of its leaves a sum is not known.
            sums[part] = None if before is None or known is None else before ^ int.from_bytes(known, "little")
    xors = [int.from_bytes(xor, "little") for xor in segment.file.region(segment.proof["xors"], 32)]
    told = zip(xors, sums.values(), strict=True)
    require(all(known is None or known == xor for xor, known in told), "a sum of leaves")
