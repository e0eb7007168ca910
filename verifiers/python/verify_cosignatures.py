#!/usr/bin/env python3
"""Checks the vectors of cosignatures with `proofbundle`, which shares no code with annals.

    python3 verify_cosignatures.py ../../corpus/vectors/cosignature.json

All witnesses' cosignatures must verify with the times given, the same seeds must give the same lines, and a cosignature must be
refused once its checkpoint, its time or its witness is another.
"""

import base64
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from proofbundle.checkpoint import cosign_checkpoint, verify_witnessed_checkpoint


def changed_time(line: str) -> str:
    """The line with the last bit of its time changed."""
    dash, name, encoded = line.split()
    blob = bytearray(base64.b64decode(encoded))
    blob[11] ^= 1
    return f"{dash} {name} {base64.b64encode(blob).decode()}\n"


def main(path: str) -> int:
    vectors = json.loads(Path(path).read_text())
    witnesses, note = vectors["witnesses"], vectors["checkpoint"]
    keys = [witness["witness_key"] for witness in witnesses]

    def verdict(text: str, needed: int = len(keys)) -> dict:
        return verify_witnessed_checkpoint(text, vectors["verifier_key"], keys, threshold=needed)

    accepted = verdict(vectors["cosigned"])
    assert accepted["ok"], accepted
    times = {said["timestamp"] for said in accepted["witnesses"].values()}
    assert times == {witness["time"] for witness in witnesses}, times

    theirs = note
    for witness in witnesses:
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(witness["seed"]))
        theirs = cosign_checkpoint(theirs, key, witness["name"], witness["time"])
    assert theirs == vectors["cosigned"], "proofbundle writes other lines"

    assert not verdict(note)["witnesses_ok"], "a checkpoint that nobody cosigned is taken"
    for witness in witnesses:
        missing = vectors["cosigned"].replace(witness["line"], "")
        assert not verdict(missing)["witnesses_ok"] and verdict(missing, 1)["witnesses_ok"]
        backdated = vectors["cosigned"].replace(witness["line"], changed_time(witness["line"]))
        assert not verdict(backdated)["witnesses_ok"], "a changed time is taken"
    print(f"ok: {len(witnesses)} cosignatures")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
