"""Asks as clients of Panda Video do: a bare key, and parameters joined onto the address as they are, or encoded by `requests`.

Its one argument is JSON: {"url", "key", "calls": [{"path", "params", "json", "method"}]}. Standard output: for each call a line
{"status", "body"}.
"""

import json
import sys

import requests

plan = json.loads(sys.argv[1])
for call in plan["calls"]:
    answer = requests.request(
        call.get("method", "GET"),
        plan["url"] + call["path"],
        headers={"Authorization": plan["key"], "Accept": "application/json"},
        params=call.get("params"),
        json=call.get("json"),
        timeout=60,
    )
    print(json.dumps({"status": answer.status_code, "body": answer.json()}), flush=True)
