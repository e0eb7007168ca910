"""Asks Frame.io's fourth version with the vendor's own client, frameio 4.0.0, by turns and with asyncio.

Its one argument is JSON: {"url", "root", "key", "account", "foreign", "operator", "strict": {"url", "key"}, "event_type", "page_size"};
`url` is `root` with a prefix. Standard output: three lines {"name", "ids", "pages", "types", "users"}, of a list of everything and of a filtered one,
the latter also with asyncio; then {"errors": {status: class}} and {"limited": [requests, class]}.
"""

import asyncio
import json
import sys

from frameio import AsyncFrameio, Frameio
from frameio.core.api_error import ApiError
from frameio.types import Filters

plan = json.loads(sys.argv[1])
client = Frameio(token=plan["key"], base_url=plan["url"])
filtered = {"filters": Filters(event_type=plan["event_type"]), "page_size": plan["page_size"], "include": "user"}


def told(name, pages):
    entries = [entry for page in pages for entry in page]
    print(
        json.dumps(
            {
                "name": name,
                "ids": [entry.id for entry in entries],
                "pages": [len(page) for page in pages],
                "types": sorted({entry.event_type for entry in entries}),
                "users": sum(entry.user is not None and entry.user.email == f"{entry.user_id}@example.com" for entry in entries),
            }
        ),
        flush=True,
    )


def pages(**asked):
    return [page.items for page in client.accounts.auditlog_index(plan["account"], **asked).iter_pages()]


async def pages_async(**asked):
    pager = await AsyncFrameio(token=plan["key"], base_url=plan["url"]).accounts.auditlog_index(plan["account"], **asked)
    return [page.items async for page in pager.iter_pages()]


told("all", pages(page_size=100))
told("filtered", pages(**filtered))
told("filtered, async", asyncio.run(pages_async(**filtered)))

once = {"request_options": {"max_retries": 0}}
errors = {}
for key, account, more in [
    ("annals_none", plan["account"], {}),
    (plan["key"], plan["foreign"], {}),
    (plan["operator"], "nobody", {}),
    (plan["key"], plan["account"], {"filters": Filters(from_date="yesterday")}),
    (plan["key"], plan["account"], {"after": "cut"}),
]:
    try:
        base_url = plan["root"] if key == plan["operator"] else plan["url"]
        Frameio(token=key, base_url=base_url).accounts.auditlog_index(account, **more, **once)
    except ApiError as error:
        assert error.body.errors[0].detail if hasattr(error.body, "errors") else error.body["errors"][0]["detail"]
        errors[error.status_code] = type(error).__name__
print(json.dumps({"errors": errors}), flush=True)

strict = Frameio(token=plan["strict"]["key"], base_url=plan["strict"]["url"])
asked = 0
try:
    while asked < 1000:
        strict.accounts.auditlog_index(plan["account"], page_size=1, **once)
        asked += 1
    print(json.dumps({"limited": [asked, None]}))
except ApiError as error:
    assert int(error.headers["retry-after"]) > 0 and error.headers["x-ratelimit-remaining"] == "0"
    print(json.dumps({"limited": [asked, type(error).__name__]}))
