#!/usr/bin/env python3
"""Writes the vectors of docs/reference/commitment.md, from that description alone.

    python3 generate.py            write the files next to this script
    python3 generate.py --check    exit 1 if a file would change

Shares no code with the ledger: hashes come from hashlib, Ed25519 signatures from the package
`cryptography`. The Merkle vectors published with RFC 6962 implementations are checked on the way.
"""

import base64
import hashlib
import json
import pathlib
import struct
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HERE = pathlib.Path(__file__).parent


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def b64(data):
    return base64.b64encode(data).decode()


# JSON in the form of value bytes: members sorted by UTF-16 code units, number tokens as written.

class Number(str):
    """A number token, kept digit for digit."""


def parse(text):
    return json.loads(text, parse_int=Number, parse_float=Number)


def minified(value):
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
        return "{" + ",".join(minified(name) + ":" + minified(member) for name, member in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(minified, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


# Units

UNITS_MAX = 128
NAME_BYTES_MAX = 1024
ENVELOPE = ("id", "occurred_at", "action", "operation", "category", "severity", "source", "trace")
WHOLE = ("description", "reason", "request", "scope")
KNOWN = ENVELOPE + WHOLE + ("outcome", "actor", "targets", "context", "metadata", "changes")


def pointer(*tokens):
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)


def without(members, *names):
    return {name: value for name, value in members.items() if name not in names}


def units(event):
    """The units of an event: a list of (name, value), in the order of the names' bytes."""
    envelope = {name: event[name] for name in ENVELOPE if name in event}
    found = {}

    def rest(name, members):
        if members:
            found[name] = members

    outcome = event.get("outcome", {})
    if "result" in outcome:
        envelope["outcome"] = {"result": outcome["result"]}
    rest("/outcome", without(outcome, "result"))
    for name in WHOLE:
        if name in event:
            found["/" + name] = event[name]
    for name, value in event.get("actor", {}).items():
        found[pointer("actor", name)] = value
    if "targets" in event:
        envelope["targets"] = [target.get("type") for target in event["targets"]]
        for number, target in enumerate(event["targets"]):
            rest(pointer("targets", str(number)), without(target, "type"))
    context = event.get("context", {})
    for name in ("ip", "user_agent"):
        if name in context:
            found[pointer("context", name)] = context[name]
    rest("/context", without(context, "ip", "user_agent"))
    for name in event:
        if name not in KNOWN:
            found[pointer(name)] = event[name]

    changes = event.get("changes", {})
    if without(changes, "before", "after"):
        envelope["changes"] = without(changes, "before", "after")
    found[""] = envelope

    open_parents = []
    for path, parent in ((("metadata",), event), (("changes", "before"), changes), (("changes", "after"), changes)):
        if path[-1] not in parent:
            continue
        value = parent[path[-1]]
        if isinstance(value, dict) and value:
            open_parents.append((path, value))
        else:
            found[pointer(*path)] = value
    members = [(pointer(*path, name), path, name) for path, value in open_parents for name in value]
    folded = {}
    for name, path, member in sorted(members, key=lambda member: member[0].encode()):
        value = dict(open_parents)[path][member]
        if len(found) < UNITS_MAX and len(name.encode()) <= NAME_BYTES_MAX:
            found[name] = value
        else:
            folded.setdefault(pointer(*path), {})[member] = value
    found.update(folded)
    return [(name, minified(value)) for name, value in sorted(found.items(), key=lambda unit: unit[0].encode())]


# Commitments

def commit(secret, named):
    described, digests = [], []
    for number, (name, value) in enumerate(named):
        salts = sha256(b"\x03", secret, struct.pack(">I", number // 2))
        salt = salts[:16] if number % 2 == 0 else salts[16:]
        encoded = name.encode()
        digest = sha256(b"\x04", salt, struct.pack(">H", len(encoded)), encoded, value.encode())
        digests.append(digest)
        described.append({"name": name, "value": value, "salt": salt.hex(), "digest": digest.hex()})
    return sha256(b"\x05", struct.pack(">I", len(digests)), *digests), described


def entry(kind, retention_class, received_at_ms, commitment, body=b""):
    return struct.pack(">BBHQ", 1, kind, retention_class, received_at_ms) + commitment + body


# Secrets

def ggm(root, counter):
    seed = root
    for bit in range(11, -1, -1):
        halves = sha256(b"\x06", seed)
        seed = halves[16:] if counter >> bit & 1 else halves[:16]
    return seed


def punctured(root, *counters):
    subtrees = []

    def walk(seed, first, depth):
        width = 4096 >> depth
        if not any(first <= counter < first + width for counter in counters):
            subtrees.append((first, depth, seed))
        elif depth < 12:
            halves = sha256(b"\x06", seed)
            walk(halves[:16], first, depth + 1)
            walk(halves[16:], first + width // 2, depth + 1)

    walk(root, 0, 0)
    encoded = struct.pack(">BH", 1, len(subtrees))
    return encoded + b"".join(struct.pack(">HB", first, depth) + seed for first, depth, seed in subtrees)


# Trees, word for word as RFC 6962, section 2.1

def split(count):
    middle = 1
    while middle * 2 < count:
        middle *= 2
    return middle


def mth(leaves):
    if not leaves:
        return sha256()
    if len(leaves) == 1:
        return leaves[0]
    middle = split(len(leaves))
    return sha256(b"\x01", mth(leaves[:middle]), mth(leaves[middle:]))


def path(position, leaves):
    if len(leaves) == 1:
        return []
    middle = split(len(leaves))
    if position < middle:
        return path(position, leaves[:middle]) + [mth(leaves[middle:])]
    return path(position - middle, leaves[middle:]) + [mth(leaves[:middle])]


def subproof(old, leaves, whole=True):
    if old == len(leaves):
        return [] if whole else [mth(leaves)]
    middle = split(len(leaves))
    if old <= middle:
        return subproof(old, leaves[:middle], whole) + [mth(leaves[middle:])]
    return subproof(old - middle, leaves[middle:], False) + [mth(leaves[:middle])]


def block_state(leaves):
    xor = bytes(32)
    for leaf in leaves:
        xor = bytes(a ^ b for a, b in zip(xor, leaf))
    return b"".join(leaf[:2] for leaf in leaves) + xor


# Notes, checkpoints and heads

def public(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed, message):
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def key_id(name, seed):
    return sha256(name.encode(), b"\n\x01", public(seed))[:4]


def note(name, seed, text):
    return f"{text}\n\u2014 {name} {b64(key_id(name, seed) + sign(seed, text.encode()))}\n"


def checkpoint(origin, seed, leaves):
    return note(origin, seed, f"{origin}\n{len(leaves)}\n{b64(mth(leaves))}\n")


def cosignature(text, name, seed, time):
    key = sha256(name.encode(), b"\n\x04", public(seed))[:4]
    signature = sign(seed, f"cosignature/v1\ntime {time}\n{text}".encode())
    return f"\u2014 {name} {b64(key + struct.pack('>Q', time) + signature)}\n"


def head_message(ledger, at_us, ledger_size, logs):
    message = b"annals/ledger-head/v1\0" + struct.pack(">B", len(ledger)) + ledger.encode()
    message += struct.pack(">qQI", at_us, ledger_size, len(logs))
    for log in sorted(logs, key=lambda log: (log["kind"], log["log_id"])):
        message += log["kind"].encode() + bytes.fromhex(log["log_id"])
        message += struct.pack(">Q", log["size"]) + bytes.fromhex(log["root"])
    return message


# What is written

EXAMPLE = """{"action":"video.update","actor":{"email":"ada@example.com","id":"usr_17","name":"Ada","type":"user"},
"changes":{"after":{"title":"New"},"before":{"title":"Old"},"complete":true},
"context":{"ip":"203.0.113.9","location":"Ghent","session_id":"s-4","user_agent":"example/1.0"},
"id":"01JD3V9QYB5W6Z8X7T4S2R1P0N","metadata":{"big":9007199254740993,"price":1.50},
"occurred_at":"2026-11-21T23:28:41.123Z","operation":"update",
"outcome":{"reason":"ok","result":"success"},"source":{"name":"studio"},
"targets":[{"id":"vid_9","name":"Harbour","type":"video"},{"type":"folder"},{"id":"x"}],"x_legacy":[1,{"b":null,"a":"\\u00e9/~"}]}"""

EVENTS = {
    "the worked example": EXAMPLE,
    "only an envelope": '{"action":"login","id":"01JD3V9QYB5W6Z8X7T4S2R1P0N","occurred_at":"2026-11-21T23:28:41Z"}',
    "escaped names": '{"action":"a","metadata":{"a/b":1,"m~n":2,"":3,"\\u20ac":4,"\\ud83d\\ude00":5},"x/y":6}',
    "states that are not objects with members": '{"action":"a","changes":{"after":[1],"before":{}}}',
    "a null state and a scalar": '{"action":"a","changes":{"after":null,"before":"text"}}',
    "a rest of targets without members": '{"action":"a","targets":[{"type":"video"},{"type":"folder"}]}',
    "more members than units": json.dumps({
        "action": "a",
        "changes": {"after": {f"f{n:03}": n for n in range(70)}, "before": {f"f{n:03}": -n for n in range(70)}},
        "metadata": {f"m{n}": n for n in range(3)},
    }),
    "a member with a long name": json.dumps({"action": "a", "metadata": {"n" * 1014: 1, "n" * 1015: 2, "short": 3}}),
}

SECRET = bytes(range(0x10, 0x20))
ROOT = bytes(range(0x40, 0x60))
SEED = bytes(range(0x80, 0xa0))
LEDGER = "annals.example"
LOG_ID = "000102030405060708090a0b0c0d0e0f"
ORIGIN = f"{LEDGER}/t/{LOG_ID}"
RECEIVED_AT_MS = 1_795_303_721_456


def commitment_vectors():
    cases = []
    for name, text in EVENTS.items():
        event = parse(text)
        commitment, described = commit(SECRET, units(event))
        cases.append({"name": name, "secret": SECRET.hex(), "event": minified(event), "units": described,
                      "commitment": commitment.hex()})
    return {"cases": cases}


def entry_vectors():
    commitment = bytes.fromhex(commitment_vectors()["cases"][0]["commitment"])
    cases = [("the worked example", 1, 1, RECEIVED_AT_MS, commitment, b""),
             ("the largest numbers", 1, 0xffff, 2**64 - 1, b"\xff" * 32, b"")]
    bodies = [("an erasure", 2, b'{"case":"7f3a"}'), ("an expiry", 3, b'{"class":1}'),
              ("a policy", 4, b'{"classes":[]}'), ("a key", 5, b'{"key":"x"}'), ("the longest body", 4, b" " * 32768)]
    cases += [(name, kind, 0, RECEIVED_AT_MS, sha256(b"\x02", body), body) for name, kind, body in bodies]
    return {"cases": [
        {"name": name, "kind": kind, "class": retention_class, "received_at_ms": str(at), "commitment": c.hex(),
         **({"entry": entry(kind, retention_class, at, c, body).hex()} if len(body) < 100 else {}),
         **({"body": body.decode()} if len(body) < 100 else {"body_spaces": len(body)}),
         "leaf": sha256(b"\x00", entry(kind, retention_class, at, c, body)).hex()}
        for name, kind, retention_class, at, c, body in cases]}


def ggm_vectors():
    counters = [0, 1, 2, 3, 2047, 2048, 1234, 4094, 4095]
    return {"root": ROOT.hex(),
            "secrets": [{"counter": counter, "secret": ggm(ROOT, counter).hex()} for counter in counters],
            "punctured": [{"counters": removed, "encoded": punctured(ROOT, *removed).hex()}
                          for removed in ([0], [4095], [1234], [0, 1], [1234, 1235, 7])]}


# Published with the certificate-transparency implementation.
PUBLISHED_ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
PUBLISHED_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def numbered(count):
    return [sha256(b"\x00", struct.pack(">Q", number)) for number in range(count)]


def tree_vectors():
    leaves = [sha256(b"\x00", bytes.fromhex(text)) for text in PUBLISHED_ENTRIES]
    assert [mth(leaves[:size]).hex() for size in range(1, 9)] == PUBLISHED_ROOTS
    many = numbered(1000)
    return {
        "entries": PUBLISHED_ENTRIES,
        "roots": [mth(leaves[:size]).hex() for size in range(9)],
        "inclusion": [{"position": position, "size": size, "proof": [node.hex() for node in path(position, leaves[:size])]}
                      for size in range(1, 9) for position in range(size)],
        "consistency": [{"from": old, "to": size, "proof": [node.hex() for node in subproof(old, leaves[:size])]}
                        for size in range(1, 9) for old in range(1, size + 1)],
        "numbered": {
            "about": "leaf i is the leaf hash of i as 8 bytes, big-endian",
            "roots": [{"size": size, "root": mth(many[:size]).hex()} for size in (1, 255, 256, 257, 511, 512, 513, 1000)],
            "inclusion": [{"position": position, "size": size, "proof": [node.hex() for node in path(position, many[:size])]}
                          for position, size in ((0, 256), (255, 257), (256, 257), (300, 1000), (999, 1000))],
            "consistency": [{"from": old, "to": size, "proof": [node.hex() for node in subproof(old, many[:size])]}
                            for old, size in ((1, 257), (256, 257), (255, 512), (300, 1000), (768, 1000))],
            "block_states": [{"block": block, "root": mth(many[block * 256:block * 256 + 256]).hex(),
                              "state": block_state(many[block * 256:block * 256 + 256]).hex()} for block in (0, 2)],
        },
    }


def checkpoint_vectors():
    def verifier(name):
        return f"{name}+{key_id(name, SEED).hex()}+{b64(bytes([1]) + public(SEED))}"

    logs = [{"kind": "t", "log_id": LOG_ID, "size": 8, "root": PUBLISHED_ROOTS[7]},
            {"kind": "a", "log_id": "f" * 32, "size": 0, "root": sha256().hex()},
            {"kind": "t", "log_id": "0" * 32, "size": 1, "root": PUBLISHED_ROOTS[0]}]
    message = head_message(LEDGER, RECEIVED_AT_MS * 1000, 9, logs)
    return {
        "seed": SEED.hex(),
        "ledger": LEDGER,
        "ledger_key": verifier(LEDGER),
        "origin": ORIGIN,
        "verifier_key": verifier(ORIGIN),
        "signing_key": f"PRIVATE+KEY+{ORIGIN}+{key_id(ORIGIN, SEED).hex()}+{b64(bytes([1]) + SEED)}",
        "checkpoints": [{"size": size, "root": mth(numbered(size)).hex(), "note": checkpoint(ORIGIN, SEED, numbered(size))}
                        for size in (0, 1, 1000)],
        "head": {"at_us": RECEIVED_AT_MS * 1000, "ledger_size": 9, "logs": logs, "message": message.hex(),
                 "signature": sign(SEED, message).hex()},
    }


def proof_vectors():
    cases = []
    for position, size, extra in ((0, 1, None), (300, 1000, None), (999, 1000, b"context")):
        leaves = numbered(size)
        lines = ["c2sp.org/tlog-proof@v1"] + ([f"extra {b64(extra)}"] if extra else []) + [f"index {position}"]
        lines += [b64(node) for node in path(position, leaves)]
        cases.append({"entry": struct.pack(">Q", position).hex(),
                      "text": "\n".join(lines) + "\n\n" + checkpoint(ORIGIN, SEED, leaves)})
    return {"origin": ORIGIN, "verifier_key": checkpoint_vectors()["verifier_key"], "cases": cases}


def cosignature_vectors():
    note = checkpoint(ORIGIN, SEED, numbered(1000))
    text = note.partition("\n\n")[0] + "\n"
    witnesses = []
    for number, time in ((1, 1795303721), (2, 0)):
        name, seed = f"witness.example/w{number}", bytes([number]) * 32
        ending = f"{name}+{sha256(name.encode(), bytes([10, 4]), public(seed))[:4].hex()}+"
        line = cosignature(text, name, seed, time)
        witnesses.append({"name": name, "seed": seed.hex(), "witness_key": ending + b64(bytes([4]) + public(seed)),
                          "signing_key": f"PRIVATE+KEY+{ending}{b64(bytes([4]) + seed)}", "time": time, "line": line})
    request = ["old 300"] + [b64(node) for node in subproof(300, numbered(1000))]
    return {"origin": ORIGIN, "verifier_key": checkpoint_vectors()["verifier_key"], "checkpoint": note, "witnesses": witnesses,
            "cosigned": note + "".join(witness["line"] for witness in witnesses),
            "request": "\n".join(request) + "\n\n" + note}


FILES = {"commitment": commitment_vectors, "entry": entry_vectors, "ggm": ggm_vectors, "tree": tree_vectors,
         "checkpoint": checkpoint_vectors, "tlog-proof": proof_vectors,
         "cosignature": cosignature_vectors}


def main():
    stale = False
    for name, make in FILES.items():
        file = HERE / f"{name}.json"
        text = json.dumps(make(), indent=1, ensure_ascii=False) + "\n"
        if "--check" not in sys.argv:
            file.write_text(text)
        elif file.read_text() != text:
            stale = True
            print(f"{file.name} is not what generate.py gives")
    sys.exit(stale)


if __name__ == "__main__":
    main()
