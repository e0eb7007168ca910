"""Walks numbered pages and pages that follow links with dlt's own REST client, with keys in several places.

Its one argument is JSON: {"url", "walks": [{"path", "params", "selector", "total_path" or "next", "key", "key_in"}]}; `next` is
where a link is, or "header"; `key_in` is "bearer", or a header or parameter as "header:NAME" or "query:NAME". Standard output: for each walk a line {"ids", "pages"}.
"""

import json
import sys

from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import APIKeyAuth, BearerTokenAuth
from dlt.sources.helpers.rest_client.paginators import HeaderLinkPaginator, JSONLinkPaginator, PageNumberPaginator

plan = json.loads(sys.argv[1])
for one in plan["walks"]:
    place, _, name = one["key_in"].partition(":")
    if place == "bearer":
        auth = BearerTokenAuth(token=one["key"])
    else:
        auth = APIKeyAuth(api_key=one["key"], name=name, location=place)
    if one.get("next") == "header":
        paginator = HeaderLinkPaginator()
    elif "next" in one:
        paginator = JSONLinkPaginator(next_url_path=one["next"])
    else:
        paginator = PageNumberPaginator(base_page=1, total_path=one.get("total_path"))
    client = RESTClient(base_url=plan["url"], auth=auth, paginator=paginator, data_selector=one.get("selector"))
    ids, pages = [], 0
    for page in client.paginate(one["path"], params=one["params"]):
        pages += 1
        ids.extend(entry["id"] for entry in page)
    print(json.dumps({"ids": ids, "pages": pages}), flush=True)
