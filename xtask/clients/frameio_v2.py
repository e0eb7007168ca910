"""Asks Frame.io's second version with the vendor's own client, frameioclient 1.1.0.

Its one argument is JSON: {"url", "lists": [{"key", "account"}], "action"}. Standard output: for each list a line {"kind", "ids"}, kind
being what the client made of the answer; then one of the list of the first account under a filter, in the way of the vendor's sample
scripts, {"kind", "ids"}; then {"me", "refused"}.
"""

import json
import sys

import requests
from frameioclient import FrameioClient

plan = json.loads(sys.argv[1])


def told(found):
    print(json.dumps({"kind": type(found).__name__, "ids": [entry["id"] for entry in found]}), flush=True)


clients = [(FrameioClient(one["key"], host=plan["url"]), one["account"]) for one in plan["lists"]]
for client, account in clients:
    told(client.logs.list(account))
client, account = clients[0]
# It cannot go on from here: it would write a second `?`.
found = client._api_call("get", f"/accounts/{account}/audit_logs?filter[action]={plan['action']}&page_size=500")
told(getattr(found, "results", found))

refused = []
for bad_key, path in [
    ("annals_none", f"/accounts/{account}/audit_logs"),
    (None, f"/accounts/{clients[1][1]}/audit_logs"),
    (None, f"/accounts/{account}/audit_logs?filter[inserted_at][op]=gt"),
]:
    asked = FrameioClient(bad_key or plan["lists"][0]["key"], host=plan["url"])
    try:
        asked._api_call("get", path)
    except requests.HTTPError as error:
        refused.append(error.response.status_code)
print(json.dumps({"me": client.users.get_me(), "refused": refused}))
