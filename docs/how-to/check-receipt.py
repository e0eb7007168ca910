#!/usr/bin/env python3
"""Checks a receipt of annals without annals: python3 check-receipt.py RECEIPT LEAF VKEY

RECEIPT is a .tlog-proof file, LEAF the hash that `POST /v1/events` answered for the event, VKEY the log's verifier key
(`name+id+base64`). Needs Python and the program `openssl`, which checks the signature; no network. The formats:
c2sp.org/tlog-proof, c2sp.org/tlog-checkpoint, c2sp.org/signed-note, RFC 9162 section 2.1.3.2.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from base64 import b64decode


def root_of(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root of the tree of `size` leaves in which `path` leads up from `leaf` at `index`."""
    assert 0 <= index < size, "the position is not in the tree"
    node, last = leaf, size - 1
    for sibling in path:
        assert last > 0, "the path is too long"
        if index % 2 or index == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while not index % 2:
                index, last = index // 2, last // 2
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        index, last = index // 2, last // 2
    assert last == 0, "the path is too short"
    return node


def is_signed(text: str, signatures: str, vkey: str) -> bool:
    """Whether the Ed25519 key signed `text`, as openssl sees it."""
    name, key_id, public = vkey.split("+", 2)
    key = b64decode(public)
    assert key[0] == 1 and len(key) == 33, "not an Ed25519 key"
    assert hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8] == key_id, "the key's id is another one"
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        signature = b64decode(signature)
        if (dash, signer, signature[:4].hex()) != ("—", name, key_id):
            continue
        with tempfile.TemporaryDirectory() as folder:
            files = {
                "key": bytes.fromhex("302a300506032b6570032100") + key[1:],
                "text": text.encode(),
                "signature": signature[4:],
            }
            for file, content in files.items():
                with open(os.path.join(folder, file), "wb") as out:
                    out.write(content)
            command = "openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in text -sigfile signature"
            return subprocess.run(command.split(), cwd=folder, capture_output=True).returncode == 0
    return False


def main() -> None:
    receipt_file, leaf, vkey = sys.argv[1:]
    with open(receipt_file, encoding="utf-8") as file:
        proof, text, signatures = file.read().split("\n\n")
    lines = [line for line in proof.splitlines() if not line.startswith("extra ")]
    assert lines[0] == "c2sp.org/tlog-proof@v1", "not a receipt"
    index = int(lines[1].removeprefix("index "))
    origin, size, root = text.splitlines()[:3]
    assert origin == vkey.split("+")[0], "the receipt is another log's"
    assert is_signed(text + "\n", signatures, vkey), "the checkpoint is not signed by this key"
    path = [b64decode(line) for line in lines[2:]]
    assert root_of(bytes.fromhex(leaf), index, int(size), path) == b64decode(root), "the event is not in this tree"
    print(f"the event is at position {index} of {size} in {origin}")


try:
    main()
except (AssertionError, ValueError) as error:
    sys.exit(f"NOT PROVEN: {error}")
