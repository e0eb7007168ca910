"""ClickHouse within this process, asked by lines of JSON on standard input: `serve.py FOLDER`.

{"run": [SQL, ...]}                                       each in turn
{"insert": FILE, "into": TABLE, "rows": N}     lines of FILE, N at once, each insert finished before the next
{"ask": SQL, "format": F, "times": N}                     the times in microseconds, and the last answer

Each is answered by one line of JSON.
"""

import itertools
import json
import os
import sys
import time

from chdb import session

answers = os.fdopen(os.dup(1), "w")
# The engine's own words are not answers.
os.dup2(2, 1)
clickhouse = session.Session(sys.argv[1])


def answer(request):
    if "run" in request:
        for statement in request["run"]:
            clickhouse.query(statement)
        return {}
    if "insert" in request:
        rows = 0
        head = f"insert into {request['into']} format JSONEachRow "
        with open(request["insert"], encoding="utf-8") as lines:
            while batch := list(itertools.islice(lines, request["rows"])):
                clickhouse.query(head + "".join(batch))
                rows += len(batch)
        return {"rows": rows}
    micros = []
    for _ in range(request["times"]):
        began = time.perf_counter_ns()
        said = clickhouse.query(request["ask"], request["format"]).bytes()
        micros.append((time.perf_counter_ns() - began) // 1000)
    return {"micros": micros, "answer": said.decode()}


for line in sys.stdin:
    try:
        said = answer(json.loads(line))
    except Exception as error:  # whatever it is, the one who asked reports it
        said = {"error": str(error)[:2000]}
    print(json.dumps(said), file=answers, flush=True)
