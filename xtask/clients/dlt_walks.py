"""Walks lists with dlt's own REST client, as somebody who loads them into a warehouse does.

Its one argument is JSON: {"url", "key", "walks": [{"path", "params", "selector", "cursor_path", "cursor_param"}]}.
Standard output: for each walk one line, {"ids", "times", "pages", "seconds", "totals"}.
"""

import json
import sys
import time

from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator


def walk(plan, one):
    client = RESTClient(
        base_url=plan["url"],
        auth=BearerTokenAuth(token=plan["key"]),
        paginator=JSONResponseCursorPaginator(cursor_path=one["cursor_path"], cursor_param=one["cursor_param"]),
        data_selector=one["selector"],
    )
    began = time.monotonic()
    ids, times, pages, totals = [], [], 0, set()
    for page in client.paginate(one["path"], params=one["params"]):
        pages += 1
        ids.extend(entry["id"] for entry in page)
        times.extend(entry["created_at"] for entry in page)
        totals.add(page.response.json()["pagination"]["total_count"])
    return {"ids": ids, "times": times, "pages": pages, "seconds": time.monotonic() - began, "totals": sorted(totals)}


plan = json.loads(sys.argv[1])
for one in plan["walks"]:
    print(json.dumps(walk(plan, one)), flush=True)
