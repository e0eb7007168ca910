"""What `cargo xtask schemathesis` adds to schemathesis where it reads one vendor's document.

By itself it knows no tenant, no entry and no filter that finds anything. So about every other case is turned: to filters that
find something, to a tenant that is not the key's, to a key that may write and nothing else.

ANNALS_RUN names a JSON file: `tenant`, and `id` of an entry of it; `write_key`, a secret; `asked`, values that parameters take.
Which statuses each operation answered is written beside it, with `.answers` behind its name.
"""

import json
import os
import random
import threading

import schemathesis

FILE = os.environ["ANNALS_RUN"]
with open(FILE, encoding="utf-8") as file:
    RUN = json.load(file)

# Of what parameters take, at most so many at once: all of them together find nothing.
ASKED_MAX = 2

turns = random.Random(1)
answers = {}
lock = threading.Lock()


def sign_in_to_write(request):
    request.headers["Authorization"] = "Bearer " + RUN["write_key"]
    return request


def some_of_what_is_asked(names):
    known = [name for name in RUN["asked"] if name in names]
    chosen = turns.sample(known, turns.randint(0, min(ASKED_MAX, len(known))))
    return {name: turns.choice(RUN["asked"][name]) for name in chosen}


# What every answer of every route may have.
OF_ALL = {"allow", "cache-control", "connection", "content-length", "content-type", "date", "transfer-encoding", "vary", "www-authenticate", "x-content-type-options", "x-request-id"}


@schemathesis.check
def headers_are_described(context, response, case):
    described = case.operation.definition.raw["responses"].get(str(response.status_code), {}).get("headers", {})
    if str(response.status_code) in case.operation.definition.raw["responses"]:
        other = {name.lower() for name in response.headers} - {name.lower() for name in described} - OF_ALL
        assert not other, f"headers that the document does not have: {sorted(other)}"


@schemathesis.hook
def before_call(context, case, kwargs):
    path, query = dict(case.path_parameters or {}), dict(case.query or {})
    with lock:
        turn = turns.choice(("as it is", "as it is", "what exists", "what exists", "another tenant", "write only"))
        known = [parameter.name for parameter in case.operation.query]
        if turn != "as it is":
            path.update((name, value) for name, value in {"id": RUN["id"], "account_id": RUN["tenant"]}.items() if name in path)
            query = some_of_what_is_asked(known)
            if case.operation.method.upper() == "POST":
                case.body = some_of_what_is_asked(RUN["asked"])
    if turn == "another tenant":
        path.update((name, "nobody") for name in ("account_id",) if name in path)
        query.update((name, "nobody") for name in ("tenant",) if name in known)
    if turn == "write only":
        kwargs["auth"] = sign_in_to_write
    case.path_parameters, case.query = path, query


@schemathesis.hook
def after_call(context, case, response):
    operation = f"{case.operation.method.upper()} {case.operation.path}"
    with lock:
        statuses = answers.setdefault(operation, [])
        if response.status_code not in statuses:
            statuses.append(response.status_code)
            with open(FILE + ".answers", "w", encoding="utf-8") as file:
                json.dump(answers, file)
