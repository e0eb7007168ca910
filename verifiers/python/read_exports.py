#!/usr/bin/env python3
"""Reads exports with other people's readers and compares them with the lines of the same export.

    read_exports.py LINES.ndjson CELLS.csv COLUMNS.parquet

CSV is read by Python's own module and by DuckDB, Parquet by DuckDB. Every event is put together again from its row, by what
docs/reference/export.md says, and must be the event of the line. Prints `ok`, the rows and the columns; or says what differs and
ends with 1.
"""

import csv
import json
import sys

import duckdb

GROUPS = ("actor", "context", "request", "trace", "outcome", "changes", "scope", "source")
JSON = {"actor_chain", "actor_metadata", "targets", "changes_before", "changes_after", "metadata", "derived", "other"}
TIMES = {"received_at", "occurred_at"}
NUMBERS = {"position", "ledger_seq", "source_seq", "request_status_code"}
TYPES = {
    **dict.fromkeys(JSON, "JSON"),
    **dict.fromkeys(TIMES, "TIMESTAMP WITH TIME ZONE"),
    **dict.fromkeys(NUMBERS, "UBIGINT"),
    "request_status_code": "USMALLINT",
    "changes_complete": "BOOLEAN",
}


ABSENT = object()


class Number(str):
    """A number as it is written: 1.0 and 1.00 are two."""


def parse(text):
    return json.loads(text, parse_float=Number, parse_int=Number)


def path_of(column):
    if column.startswith("actor_credential_"):
        return ["actor", "credential", column.removeprefix("actor_credential_")]
    for group in GROUPS:
        if column.startswith(group + "_"):
            return [group, column.removeprefix(group + "_")]
    return [column]


def put(event, path, value):
    for name in path[:-1]:
        event = event.setdefault(name, {})
    if path[-1] in event:
        sys.exit(f"{path} is there twice")
    event[path[-1]] = value


def merge(event, more):
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(event.get(name), dict):
            merge(event[name], value)
        elif name in event:
            sys.exit(f"`{name}` stands in a column and in `other`")
        else:
            event[name] = value


def rebuilt(row):
    """The event of a row: a value or ABSENT for each column."""
    event = {}
    for column, value in row.items():
        if value is not ABSENT and column != "other":
            put(event, path_of(column), value)
    if row["other"] is not ABSENT:
        merge(event, row["other"])
    for name in event.get("derived", {}):
        del event[name]
    return event


def time_of(micros):
    """RFC 3339 with six digits; Python's own times begin with year 1."""
    seconds, micros = divmod(micros, 1_000_000)
    days, seconds = divmod(seconds, 86_400)
    days += 719_468
    era, day = divmod(days, 146_097)
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day = day - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    year = year + era * 400 + (month <= 2)
    return f"{year:04}-{month:02}-{day:02}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{micros:06}Z"


def from_cells(name):
    with open(name, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, strict=True):
            yield rebuilt({column: from_cell(column, cell) for column, cell in row.items()})


def from_cell(column, cell):
    if cell == "":
        return ABSENT
    cell = cell.removeprefix("'")
    if column in JSON or column in NUMBERS or column == "changes_complete":
        return parse(cell)
    return cell


def from_columns(name, types):
    def read(column):
        quoted = '"' + column + '"'
        if column in TIMES:
            return f"epoch_us({quoted})"
        # Cast to a text, JSON's `null` would be none.
        return f"CAST({quoted} AS VARCHAR)" if column in NUMBERS else quoted

    chosen = ", ".join(read(column) for column in types)
    result = duckdb.execute(f"SELECT {chosen} FROM read_parquet(?)", [name])
    while rows := result.fetchmany(10_000):
        for row in rows:
            values = zip(types, row)
            yield rebuilt({column: ABSENT if value is None else from_value(column, value) for column, value in values})


def from_value(column, value):
    if column in TIMES:
        return time_of(value)
    return parse(value) if column in JSON or column in NUMBERS else value


def compare(what, lines, events):
    count = 0
    for event in events:
        line = lines[count] if count < len(lines) else None
        if event != line:
            sys.exit(f"{what}, row {count}: {event} is not {line}")
        count += 1
    if count != len(lines):
        sys.exit(f"{what}: {count} rows of {len(lines)}")


def main(lines, cells, columns):
    with open(lines, encoding="utf-8", newline="\n") as file:
        events = [parse(line) for line in file]
    described = duckdb.execute("DESCRIBE SELECT * FROM read_parquet(?)", [columns]).fetchall()
    types = {row[0]: row[1] for row in described}
    for column, kind in types.items():
        if kind != TYPES.get(column, "VARCHAR"):
            sys.exit(f"`{column}` is {kind}")
    duckdb.execute("SET preserve_insertion_order = true")
    compare("Parquet", events, from_columns(columns, types))
    csv.field_size_limit(1 << 30)
    compare("CSV", events, from_cells(cells))
    counted = duckdb.execute(
        "SELECT count(*), count(DISTINCT ledger_seq) FROM read_csv(?, header = true, all_varchar = true, delim = ',', quote = '\"', "
        "escape = '\"', max_line_size = 4194304, parallel = false)",
        [cells],
    ).fetchone()
    if counted != (len(events), len(events)):
        sys.exit(f"CSV, as DuckDB reads it: {counted} rows and ledger numbers, of {len(events)}")
    print(f"ok {len(events)} {len(types)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
