"""What `cargo xtask schemathesis` adds to schemathesis, so that its cases reach every answer that is described.

By itself it knows no tenant, no event and no key that exists, and it may find the run's own key in a list and end it. So
about every other case is turned: to what exists, to a tenant that does not, to lines instead of a document, to a key that may
write and nothing else; and every second case of an operation that has not succeeded yet to what exists. A case about the run's
own key is turned to another one.

ANNALS_RUN names a JSON file: `keys`, ids of the keys that must live; `write_key`, a secret; `tenant`, `event`, `size` of a
log that exists; `cases` of erasure, one to approve and one to withdraw; `leaving`, a tenant to end; `spare_keys` and
`spare_holds`, ids of what may be taken away. Which statuses each operation answered is written beside it, with `.answers`
behind its name.
"""

import json
import os
import random
import threading

import schemathesis

FILE = os.environ["ANNALS_RUN"]
with open(FILE, encoding="utf-8") as file:
    RUN = json.load(file)

REAL_QUERY = {"position": 0, "size": RUN["size"], "from": 1, "to": RUN["size"], "at": "2030-01-01"}
REAL_PATH = {"id": RUN["event"], "path": f"0/000.p/{RUN['size']}", "account_id": RUN["tenant"], "name": "mine", "file": "annals-log.js"}

# Bodies that are taken.
REAL_BODY = {
    "POST /v1/session": {"key": RUN["write_key"]},
    "POST /v1/erasures": {"values": ["u3"], "dry_run": True},
    "POST /v1/holds": {"tenant": RUN["tenant"], "filter": 'action eq "none.such"', "reason": "a case", "owner": "legal"},
    "POST /v1/viewer-tokens": {"tenant": RUN["tenant"], "filter": {"actor_id": ["u1"]}, "hide": ["context.ip"], "origin": "https://app.example.com"},
    "PUT /v1/views/{name}": {"query": "action=video.read", "shared": True},
    "PUT /v1/retention": {"rules": [{"name": "all", "keep": "90d"}]},
}

# Of this one's entries the id is a place in the log.
BY_PLACE = "/api/v1/audit-log/"

# Operations with so many parameters search: a case is not worth much without its own.
SEARCH_PARAMETERS_MIN = 8

turns = random.Random(1)
keys_made = RUN["spare_keys"]
holds_made = RUN["spare_holds"]
answers = {}
calls = {}
lock = threading.Lock()


def turn_to_what_exists(case, path, query, tenant):
    known = {parameter.name for parameter in case.operation.query}
    required = {parameter.name for parameter in case.operation.query if parameter.is_required}
    if len(known) < SEARCH_PARAMETERS_MIN:
        # What else the case has may be refused.
        query.clear()
    query.update((name, value) for name, value in REAL_QUERY.items() if name in required)
    stores = case.operation.path == "/v1/events" and case.method.upper() == "POST"
    if "tenant" in known:
        # A tenant would begin with what is stored in it.
        query["tenant"] = RUN["tenant"] if stores else tenant
    if stores:
        case.body = {"action": "video.read", "actor": {"type": "user", "id": "u1"}}
    operation = f"{case.operation.method.upper()} {case.operation.path}"
    if operation in REAL_BODY:
        case.body = REAL_BODY[operation]
    if "case" in path:
        path["case"] = RUN["cases"][operation.endswith("/withdraw")]
    if operation == "DELETE /v1/holds/{id}":
        if holds_made:
            path["id"] = holds_made.pop()
    elif operation == "POST /v1/tenants/{id}/end":
        path["id"] = RUN["leaving"]
    elif not case.operation.path.startswith("/v1/keys/"):
        path.update((name, value) for name, value in REAL_PATH.items() if name in path)
        if case.operation.path.startswith(BY_PLACE):
            path["id"] = "1"
    elif keys_made:
        path["id"] = keys_made.pop()
        if case.operation.path.endswith("/rotate"):
            case.body = {"overlap": "1h"}


def has_succeeded(operation):
    return any(status < 400 for status in answers.get(operation, ()))


def sign_in_to_write(request):
    request.headers["Authorization"] = "Bearer " + RUN["write_key"]
    return request


@schemathesis.hook
def before_call(context, case, kwargs):
    path, query = dict(case.path_parameters or {}), dict(case.query or {})
    operation = f"{case.operation.method.upper()} {case.operation.path}"
    with lock:
        turn = turns.choice(("as it is", "as it is", "as it is", "what exists", "lines", "no such tenant", "write only"))
        calls[operation] = calls.get(operation, 0) + 1
        if calls[operation] % 2 == 0 and not has_succeeded(operation):
            turn = "what exists"
        if turn != "as it is":
            turn_to_what_exists(case, path, query, "nobody" if turn == "no such tenant" else RUN["tenant"])
    if turn == "lines":
        case.headers["Accept"] = "application/x-ndjson"
    if turn == "write only":
        kwargs["auth"] = sign_in_to_write
    if case.operation.path.startswith("/v1/keys/") and str(path.get("id")) in RUN["keys"]:
        path["id"] = "another"
    case.path_parameters, case.query = path, query


@schemathesis.hook
def after_call(context, case, response):
    operation = f"{case.operation.method.upper()} {case.operation.path}"
    with lock:
        if operation == "POST /v1/keys" and response.status_code == 201:
            keys_made.append(response.json()["id"])
        if operation == "POST /v1/holds" and response.status_code == 201:
            holds_made.append(response.json()["id"])
        statuses = answers.setdefault(operation, [])
        if response.status_code not in statuses:
            statuses.append(response.status_code)
            with open(FILE + ".answers", "w", encoding="utf-8") as file:
                json.dump(answers, file)
