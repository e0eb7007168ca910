"""Filters of evidence bundles: what is known of an event of which parts may be hidden, by search.md and event.md."""

import datetime
import decimal
import ipaddress
import json
import re
import unicodedata
import urllib.parse

NO, YES, UNKNOWN = "no", "yes", "unknown"
MEMBERS = """action category severity description reason id actor.type actor.id actor.name actor.email actor.credential.type actor.credential.id
actor.chain.type actor.chain.id actor.chain.name targets.type targets.id targets.name context.ip context.user_agent context.session_id
context.location context.application request.id request.method request.path request.status_code trace.trace_id trace.span_id outcome.result
outcome.reason changes.complete scope.team scope.project source.name source.version source.instance source.seq""".split()
SPECIAL = ("occurred_at", "received_at", "operation", "position", "tenant")
SPANS = {"since": ("occurred_at", "ge"), "until": ("occurred_at", "lt"), "received_since": ("received_at", "ge"), "received_until": ("received_at", "lt")}
ARRAYS = (("targets",), ("actor", "chain"))
VERBS = {
    "create": """create creates created creating creation add adds added insert inserted new upload uploaded import imported invite invited
register registered signup generate generated issue issued copy copied clone cloned duplicate duplicated fork forked
provision provisioned open opened submit submitted upsert publish published launch launched run""",
    "read": """read reads get gets list lists listed describe describes head query queried search searched view viewed views download
downloaded export exported fetch fetched lookup scan scanned select watch watched preview previewed print printed decrypt
decrypted retrieve retrieved""",
    "update": """update updates updated updating edit edits edited modify modified change changed changes set put patch patched rename
renamed move moved replace replaced reset restore restored enable enabled disable disabled activate activated deactivate
deactivated suspend suspended resume resumed lock locked unlock unlocked assign assigned unassign unassigned attach
attached detach detached associate associated disassociate grant granted approve approved reject rejected archive archived
unarchive unarchived transfer transferred rotate rotated tag tagged untag untagged start started stop stopped close closed
reopen reopened merge merged share shared unshare unshared convert converted complete completed promote promoted authorize
authorized write wrote written save saved configure configured accept accepted""",
    "delete": """delete deletes deleted deleting deletion remove removes removed destroy destroyed purge purged erase erased drop dropped
terminate terminated revoke revoked cancel cancelled canceled expire expired trash trashed uninstall uninstalled unpublish
unpublished deregister deregistered withdraw withdrawn""",
    "access": """accessed accesses enter entered visit visited connect connected join joined invoke invoked use used""",
    "authentication": """login logins logon logout logoff signin signon signout authenticate authenticated authentication reauthenticate
impersonate impersonated assume assumed""",
    "snapshot": """snapshotted baseline""",
}
NOUNS = {
    "access": """access""",
    "authentication": """auth mfa 2fa otp sso saml session""",
    "snapshot": """snapshot snapshots""",
}


OPERATIONS = (*VERBS, "other")


class Wrong(Exception):
    """A filter or a time that cannot be read, or that this program does not read."""


# --- Reading: ("all" | "any", conditions), ("not", condition), ("test", path, operator, value), ("element", path, condition) ------------

def read(query):
    every = {}
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=True):
        every.setdefault(name, []).append(value)
    names, conditions = {member.replace(".", "_"): member for member in MEMBERS}, []
    for name, values in every.items():
        if len(values) > 1 and (name == "filter" or name in SPANS):
            raise Wrong(f"`{name}` stands more than once")
        if name == "filter":
            conditions += [Parser(value).whole() for value in values]
        elif name in SPANS:
            field, operator = SPANS[name]
            conditions += [("test", ("@" + field,), operator, value) for value in values]
        elif name == "operation":
            conditions.append(("any", [("test", ("@operation",), "eq", value) for value in values]))
        elif name in names:
            path, operator = tuple(names[name].split(".")), "cidr" if name == "context_ip" else "eq"
            if name in ("request_status_code", "source_seq"):
                values = [literal(value) for value in values]
            elif name == "changes_complete":
                values = [value == "true" for value in values]
            conditions.append(("any", [("test", path, operator, value) for value in values]))
        else:
            raise Wrong(f"`{name}` is not known here")
    return joined(("all", conditions))


TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([A-Za-z0-9_$-]+)|([().\[\]]))')


class Parser:
    def __init__(self, text):
        self.tokens, at, text = [], 0, text.rstrip()
        while at < len(text):
            found = TOKEN.match(text, at)
            if not found:
                raise Wrong(f"at {at}")
            self.tokens.append(found[0].strip())
            at = found.end()

    def peek(self):
        return self.tokens[0] if self.tokens else ""

    def take(self, wanted=None):
        token = self.peek()
        if not token or wanted and token != wanted:
            raise Wrong(f"`{token}` where `{wanted or 'more'}` has to come")
        return self.tokens.pop(0)

    def whole(self):
        condition = self.several("or", "any", lambda: self.several("and", "all", self.term))
        if self.tokens:
            raise Wrong(f"`{self.peek()}` behind the end")
        return condition

    def filter(self):
        return self.several("or", "any", lambda: self.several("and", "all", self.term))

    def several(self, word, kind, one):
        conditions = [one()]
        while self.peek().lower() == word:
            self.take()
            conditions.append(one())
        return conditions[0] if len(conditions) == 1 else (kind, conditions)

    def term(self):
        if self.peek().lower() == "not" or self.peek() == "(":
            negated = self.peek() != "("
            if negated:
                self.take()
            self.take("(")
            condition = self.filter()
            self.take(")")
            return ("not", condition) if negated else condition
        path = self.path()
        if self.peek() == "[":
            self.take()
            condition = self.filter()
            self.take("]")
            return ("element", path, unspecial(condition))
        operator = self.take().lower()
        if operator == "pr":
            return ("test", path, "pr", None)
        value = literal(self.take())
        if operator in ("eq", "ne") and value is None:
            present = ("test", path, "pr", None)
            return present if operator == "ne" else ("not", present)
        if operator == "ne":
            return ("not", ("test", path, "eq", value))
        if operator not in ("eq", "co", "sw", "ew", "ieq", "ico", "isw", "iew", "gt", "ge", "lt", "le", "cidr"):
            raise Wrong(f"`{operator}` is no operator")
        return ("test", path, operator, value)

    def path(self):
        names = []
        while True:
            token = self.take()
            names += [literal(token)] if token.startswith('"') else token.split(".")
            if self.peek() != ".":
                break
            self.take()
        if len(names) == 1 and token in SPECIAL:
            names = ["@" + token]
        return tuple(names)


def literal(token):
    words = {"true": True, "false": False, "null": None}
    if token in words:
        return words[token]
    try:
        return json.loads(token, strict=True) if token.startswith('"') else decimal.Decimal(token)
    except (ValueError, decimal.InvalidOperation) as error:
        raise Wrong(f"`{token}` is no value") from error


def unspecial(condition):
    """In brackets the names of the top have no meaning of their own."""
    kind = condition[0]
    if kind in ("all", "any"):
        return (kind, [unspecial(one) for one in condition[1]])
    if kind == "not":
        return (kind, unspecial(condition[1]))
    return (kind, tuple(name.lstrip("@") for name in condition[1]), *condition[2:])


def joined(condition):
    """What looks at elements of one array alone and is joined by `and` speaks of one element."""
    kind = condition[0]
    if kind == "not":
        return (kind, joined(condition[1]))
    if kind == "any":
        return (kind, [joined(one) for one in condition[1]])
    if kind != "all":
        return condition
    flat = []
    pending = list(condition[1])
    while pending:
        one = pending.pop(0)
        while one[0] == "any" and len(one[1]) == 1:
            one = one[1][0]
        if one[0] == "all":
            pending = one[1] + pending
        else:
            flat.append(one)
    for array in ARRAYS:
        together = [one for one in flat if alone(one, array)]
        if len(together) > 1:
            flat = [one for one in flat if not alone(one, array)]
            flat.append(("element", array, inside(("all", together), len(array))))
    return (kind, [one if one[0] == "element" else joined(one) for one in flat])


def alone(condition, array):
    if condition[0] in ("all", "any"):
        return all(alone(one, array) for one in condition[1])
    return condition[0] == "test" and condition[1][:len(array)] == array and len(condition[1]) > len(array)


def inside(condition, length):
    if condition[0] in ("all", "any"):
        return (condition[0], [inside(one, length) for one in condition[1]])
    return ("test", condition[1][length:], *condition[2:])


# --- Which units a condition looks at: (name, whether all below it are meant) --------------------------------------------------------

def need(pattern):
    return (pattern[:-1], True) if pattern.endswith("/*") else (pattern, False)


def needs(condition, count):
    kind = condition[0]
    if kind in ("all", "any"):
        return [one for inner in condition[1] for one in needs(inner, count)]
    return needs(condition[1], count) if kind == "not" else needs_of(condition[1], count)


def needs_of(path, count):
    def pointer(*names):
        return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)
    top, more = path[0], path[1:]
    if top in ("@received_at", "@position", "@tenant"):
        return []
    if top == "actor":
        return [(pointer(*path[:2]), False) if more else ("/actor/", True)]
    if top == "changes" and not more:
        return [("", False), ("/changes/", True)]
    if top == "changes" and more[0] in ("before", "after"):
        state = pointer(*path[:2])
        return [(state, False), (pointer(*path[:3]), False) if len(more) > 1 else (state + "/", True)]
    if top == "context":
        if more and more[0] in ("ip", "user_agent"):
            return [(pointer(*path[:2]), False)]
        return [("/context", False)] + ([] if more else [("/context/", True)])
    if top == "metadata":
        if not more:
            return [("/metadata", False), ("/metadata/", True)]
        own = pointer(*path[:2])
        return [(own, False)] + ([("/metadata", False)] if count >= 128 or not count or len(own.encode()) > 1024 else [])
    if top == "outcome" and more[:1] != ("result",):
        return [("", False), ("/outcome", False)]
    if top == "targets" and more[:1] != ("type",):
        return [("", False), ("/targets/", True)]
    envelope = ("action", "category", "id", "occurred_at", "operation", "severity", "source", "trace", "changes", "outcome", "targets")
    return [("", False) if top in envelope or top.startswith("@") else (pointer(top), False)]


def could_be(need, hidden):
    """Whether a unit hidden between two shown ones could be one of these."""
    (name, below), (after, before) = need, hidden
    if not below:
        return (after is None or after < name) and (before is None or name < before)
    behind = after is not None and after > name and not after.startswith(name)
    return not behind and (before is None or before > name)


def overlap(one, other):
    if one[1] and other[1]:
        return one[0].startswith(other[0]) or other[0].startswith(one[0])
    if one[1] or other[1]:
        prefix, name = (one[0], other[0]) if one[1] else (other[0], one[0])
        return name.startswith(prefix)
    return one[0] == other[0]


def hidden_between(names):
    """Of units in order, the names of shown ones and none for hidden ones: between which names something is hidden."""
    hidden, after, is_open = [], None, False
    for name in names:
        if name is None:
            if not is_open:
                hidden.append((after, None))
            is_open = True
        else:
            if is_open:
                hidden[-1] = (hidden[-1][0], name)
            after, is_open = name, False
    return hidden


# --- Evaluating ------------------------------------------------------------------------------------------------------------------------

class Seen:
    """A record as far as it is shown."""

    def __init__(self, record, tenant):
        self.event = {} if record.event is None else record.event
        parts = record.parts or []
        self.count = len(parts)
        self.hidden = [(None, None)] if record.event is None else hidden_between([part[1] if part[0] == "shown" else None for part in parts])
        received = decimal.Decimal(record.at) / 1000
        self.special = {"@received_at": received, "@position": decimal.Decimal(record.position), "@tenant": tenant}
        self.is_known = known(self.event)
        if self.is_known:
            occurred, operation = text_of(self.event, "occurred_at"), text_of(self.event, "operation")
            self.special["@occurred_at"] = received if occurred is None else instant(occurred)
            self.special["@operation"] = derived(text_of(self.event, "action") or "") if operation is None else operation


def text_of(event, name):
    value = event.get(name)
    return value if type(value) is str else None


def known(event):
    """Whether time and operation of an event, where it has them, are such."""
    occurred, operation = text_of(event, "occurred_at"), text_of(event, "operation")
    try:
        if occurred is not None:
            instant(occurred)
    except Wrong:
        return False
    return operation is None or operation in OPERATIONS


def instant(text):
    """Seconds since 1970, exactly."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", text)
    if not found:
        raise Wrong(f"`{text}` is no time")
    zone = "+00:00" if found[4] in "Zz" else found[4]
    try:
        whole = datetime.datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}")
    except ValueError as error:
        raise Wrong(f"`{text}` is no time") from error
    since = whole - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return decimal.Decimal(since.days * 86400 + since.seconds) + decimal.Decimal("0" + (found[3] or ".0"))


def derived(action):
    """What an action's words say."""
    for segment in reversed(action.split(".")):
        noun, previous = None, ""
        for run in re.findall(r"[^\W_]+", segment):
            for word in re.findall(r".[^A-Z]*?(?=[A-Z](?<=[^A-Z].)|[A-Z](?=[a-z])|$)", run) or [run]:
                word = word.lower()
                if previous in ("log", "logged", "sign", "signed") and word in ("in", "on", "out", "off"):
                    return "authentication"
                for operation, words in VERBS.items():
                    if word in words.split():
                        return operation
                noun = noun or next((operation for operation, words in NOUNS.items() if word in words.split()), None)
                previous = word
        if noun:
            return noun
    return "other"


def look(condition, seen):
    if not seen.is_known:
        return UNKNOWN
    kind = condition[0]
    if kind in ("all", "any"):
        deciding, other = (NO, YES) if kind == "all" else (YES, NO)
        answers = [look(one, seen) for one in condition[1]]
        return deciding if deciding in answers else UNKNOWN if UNKNOWN in answers else other
    if kind == "not":
        return {YES: NO, NO: YES, UNKNOWN: UNKNOWN}[look(condition[1], seen)]
    if kind == "test" and not condition[1][0].startswith("@") and holds(condition, seen.event, seen):
        return YES
    if any(could_be(need, hidden) for need in needs(condition, seen.count) for hidden in seen.hidden):
        return UNKNOWN
    return YES if holds(condition, seen.event, seen) else NO


def holds(condition, value, seen):
    kind = condition[0]
    if kind in ("all", "any"):
        return (all if kind == "all" else any)(holds(one, value, seen) for one in condition[1])
    if kind == "not":
        return not holds(condition[1], value, seen)
    if kind == "element":
        return any(holds(condition[2], element, seen) for element in values(value, condition[1]))
    _, path, operator, wanted = condition
    if path[0].startswith("@"):
        if path[0] in ("@occurred_at", "@received_at") and isinstance(wanted, str):
            wanted = instant(wanted)
        return passes(seen.special[path[0]], operator, wanted)
    return any(passes(found, operator, wanted) for found in values(value, path))


def values(value, path):
    """All values at a path; it passes through arrays."""
    if isinstance(value, list):
        for item in value:
            yield from values(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from values(value[path[0]], path[1:])


def folded(text):
    fold = text
    for _ in range(2):
        fold = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", fold).casefold())
    return fold


def passes(value, operator, wanted):
    if hasattr(value, "value"):
        value = value.value()
    if operator == "pr":
        return value is not None and value != "" and value != {}
    if operator == "cidr":
        try:
            address, network = ipaddress.ip_address(value), ipaddress.ip_network(wanted)
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return address.version == network.version and address in network
    if type(value) is not type(wanted):
        return False
    if operator in ("ieq", "ico", "isw", "iew"):
        value, wanted, operator = folded(value), folded(wanted), operator[1:]
    return {"eq": lambda: value == wanted, "co": lambda: wanted in value, "sw": lambda: value.startswith(wanted), "ew": lambda: value.endswith(wanted),
            "gt": lambda: value > wanted, "ge": lambda: value >= wanted, "lt": lambda: value < wanted, "le": lambda: value <= wanted}[operator]()
