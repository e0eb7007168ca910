"""Makes bundles that lie about what was erased from one that does not: python3 forge.py BUNDLE FOLDER; names what it made."""

import hashlib
import json
import sys
import zipfile
from pathlib import Path


def read(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, files):
    """With a manifest that fits: whoever forges would not forget it."""
    manifest = json.loads(files["manifest.json"])
    for file in manifest["files"]:
        data = files[file["name"]]
        file |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    files = files | {"manifest.json": json.dumps(manifest, separators=(",", ":")).encode()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    print(path)


def lines_of(files, name):
    return [json.loads(line) for line in files[name].splitlines()]


def text(lines):
    return b"".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n" for line in lines)


def main(bundle, folder):
    files, folder = read(bundle), Path(folder)
    approved, once = (f'"approvals":{n},'.encode().hex() for n in (2, 1))

    def unapprove(name):
        return files[name].replace(approved.encode(), once.encode())

    log, entries = lines_of(files, "log.ndjson"), lines_of(files, "lifecycle.ndjson")
    write(folder / "one-approval.zip", files | {"lifecycle.ndjson": unapprove("lifecycle.ndjson")})
    write(folder / "one-approval-in-the-log.zip", files | {name: unapprove(name) for name in ("lifecycle.ndjson", "log.ndjson")})

    erasures = [entry["position"] for entry in entries if entry["entry"][2:4] == "02"]
    others = [entry["position"] for entry in entries if entry["entry"][2:4] != "02"]
    erased = [line for line in log if any(len(unit) == 2 and isinstance(unit[1], int) for unit in line.get("units", []))]
    assert erasures and others and erased, "a bundle with nothing to forge"

    def changed(change, line):
        return files | {"log.ndjson": text([change(other) if other is line else other for other in log])}

    def by_another(line):
        return line | {"units": [[unit[0], others[0]] if len(unit) == 2 and isinstance(unit[1], int) else unit for unit in line["units"]]}

    write(folder / "erased-by-another-kind.zip", changed(by_another, erased[0]))
    # Of a record whose entries speak of nothing of it a value is hidden as if they did.
    digest, whole = "00" * 32, next(line for line in log if "secret" in line)

    def hidden(line):
        return {"position": line["position"], "entry": line["entry"], "units": [[digest, erasures[-1]]]}

    write(folder / "erased-without-a-case.zip", changed(hidden, whole))
    gone = {"lifecycle.ndjson": text([entry for entry in entries if entry["position"] not in erasures])}
    write(folder / "no-case.zip", files | gone)

    def expired(line):
        return {"position": line["position"], "entry": line["entry"], "expired": others[0]}

    write(folder / "expired-too-much.zip", changed(expired, whole))


if __name__ == "__main__":
    main(*sys.argv[1:])
