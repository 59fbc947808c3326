"""A scenario of a person's own, as a TOML file: which links, which traffic, what happens when, and what is expected.

    topology = "village"        # of lab/topologies; a table dsl or lte changes single values of it
    [[flow]]
    kind = "tcp"                # a download; tcp, udp or ping
    [[event]]
    at = 8                      # seconds after the flows' beginning
    lte = { down_mbit = 4, loss_percent = 1 }
    [expect]
    tcp_mbit = 7                # the figure is at least this

All keys are in KEYS. `seconds` is how long it all takes, 30 if nothing is said. `hg` and `haap` hold settings of the
two daemons, as in their own files. An event has `dsl` or `lte`, either a table of what changes or one of
planned.ACTIONS, or `restart` or `kill` with the name of a daemon (killed, it is started again a second later). An
expectation is a number, at least, or a table of `least` and `most`.
"""

import dataclasses
import pathlib
import sys
import tomllib

from lab import planned, spillway, topology

NUMBER, WORD, TABLE = (int, float), str, dict
LINK = {"up_mbit", "down_mbit"} | {
    f"{way}{name}" for way in ("", "up_", "down_") for name in ("delay_ms", "loss_percent", "queue_ms")
}
KINDS, HOSTS, DAEMONS = ("tcp", "udp", "ping"), ("client", "server"), ("hg", "haap")
KEYS = {
    "": {"title": WORD, "topology": WORD, "seconds": NUMBER, "dsl": TABLE, "lte": TABLE, "hg": TABLE, "haap": TABLE,
         "flow": list, "event": list, "expect": TABLE},
    # sender; payload of a datagram in bytes; echoes or, of TCP, connections; inside: ipv4 or ipv6
    "flow": {"kind": WORD, "name": WORD, "from": WORD, "at": NUMBER, "seconds": NUMBER, "inside": WORD,
             "mbit": NUMBER, "size": int, "streams": int, "interval_ms": NUMBER},
    "event": {"at": NUMBER, "label": WORD, "dsl": (dict, str), "lte": (dict, str), "restart": WORD, "kill": WORD},
}
# Of which kind, from, to.
OPTIONS = {"streams": ("tcp", 1, 100), "mbit": ("udp", 0.001, 1000), "size": ("udp", 16, 65_000),
           "interval_ms": ("ping", 2, 60_000)}
DAEMON_EVENTS = {"restart": "{} restarts", "kill": "{} is killed"}
LONGEST = 3600


class PlanError(Exception):
    """What is wrong with a plan."""


@dataclasses.dataclass
class Flow:
    name: str
    kind: str
    sender: str
    at: float
    seconds: float
    ipv6: bool
    # As the classes of lab/measure take them.
    options: dict


@dataclasses.dataclass
class Event:
    at: float
    label: str
    leg: str | None = None
    # Of the leg: what changes, or one of planned.ACTIONS.
    change: dict | str = ""
    restart: str | None = None
    kill: str | None = None


@dataclasses.dataclass
class Plan:
    title: str
    topology: str
    seconds: float
    links: dict[str, dict]
    settings: dict[str, dict]
    flows: list[Flow]
    events: list[Event]
    # Figure: at least, at most.
    expect: dict[str, tuple[float | None, float | None]]


def read(text: str, name: str) -> Plan:
    """Raises PlanError."""
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(str(error)) from error
    _known("", value)
    seconds = _between("seconds", value.get("seconds", 30), 1, LONGEST)
    base = value.get("topology", "village")
    if not (topology.TOPOLOGIES / f"{base}.toml").exists():
        there = ", ".join(sorted(file.stem for file in topology.TOPOLOGIES.glob("*.toml")))
        raise PlanError(f"topology: there is no {base}; there are: {there}")
    for leg in ("dsl", "lte"):
        _link(leg, value.get(leg, {}))
    flows: list[Flow] = []
    for number, each in enumerate(value.get("flow", [])):
        flows.append(_flow(f"flow {number + 1}", each, seconds, [flow.name for flow in flows]))
    if not flows:
        raise PlanError("flow: there is none, so nothing can be measured")
    events = [_event(f"event {number + 1}", each, seconds) for number, each in enumerate(value.get("event", []))]
    return Plan(
        value.get("title", name), base, seconds, {leg: value.get(leg, {}) for leg in ("dsl", "lte")},
        {host: value.get(host, {}) for host in DAEMONS}, flows, sorted(events, key=lambda event: event.at),
        {figure: _limits(figure, wanted) for figure, wanted in value.get("expect", {}).items()})


def _known(where: str, value: dict) -> None:
    kinds = KEYS[where.split()[0] if where else ""]
    for key, item in value.items():
        name = f"{where}: {key}" if where else key
        if key not in kinds:
            raise PlanError(f"{name}: not known; known are: {', '.join(kinds)}")
        if not isinstance(item, kinds[key]) or isinstance(item, bool):
            raise PlanError(f"{name}: {item!r} is of the wrong kind")


def _between(name: str, value: float, least: float, most: float) -> float:
    if not least <= value <= most:
        raise PlanError(f"{name}: {value:g} is not within {least:g} and {most:g}")
    return value


def _one_of(name: str, value: str, words) -> str:
    if value not in words:
        raise PlanError(f"{name}: {value!r} is none of: {', '.join(words)}")
    return value


def _link(name: str, value: dict) -> None:
    for key, item in value.items():
        if key not in LINK:
            raise PlanError(f"{name}: {key}: not known; known are: {', '.join(sorted(LINK))}")
        if not isinstance(item, NUMBER) or isinstance(item, bool):
            raise PlanError(f"{name}: {key}: {item!r} is no number")
        least = 0.001 if key.endswith("mbit") else 0
        _between(f"{name}: {key}", item, least, 100 if key.endswith("percent") else 100_000)


def _flow(where: str, value: dict, seconds: float, taken: list[str]) -> Flow:
    if not isinstance(value, dict):
        raise PlanError(f"{where}: is no table")
    _known(where, value)
    kind = _one_of(f"{where}: kind", value.get("kind", ""), KINDS)
    sender = _one_of(f"{where}: from", value.get("from", "client" if kind == "ping" else "server"), HOSTS)
    inside = _one_of(f"{where}: inside", value.get("inside", "ipv4"), ("ipv4", "ipv6"))
    at = _between(f"{where}: at", value.get("at", 0), 0, seconds - 1)
    lasts = _between(f"{where}: seconds", value.get("seconds", seconds - at), 1, seconds - at)
    same = sum(each.rstrip("0123456789") == kind for each in taken)
    name = value.get("name", f"{kind}{same + 1}" if same else kind)
    if name in taken or not name.isidentifier():
        raise PlanError(f"{where}: name: {name!r} is taken or no plain word")
    options = {}
    for key, (of, least, most) in OPTIONS.items():
        if key in value and of != kind:
            raise PlanError(f"{where}: {key}: means nothing for {kind}")
        if key in value:
            options[key] = _between(f"{where}: {key}", value[key], least, most)
    return Flow(name, kind, sender, at, lasts, inside == "ipv6", options)


def _event(where: str, value: dict, seconds: float) -> Event:
    if not isinstance(value, dict):
        raise PlanError(f"{where}: is no table")
    _known(where, value)
    if "at" not in value:
        raise PlanError(f"{where}: at is missing")
    at = _between(f"{where}: at", value["at"], 0, seconds)
    what = [key for key in ("dsl", "lte", "restart", "kill") if key in value]
    if len(what) != 1:
        raise PlanError(f"{where}: has to have just one of dsl, lte, restart, kill")
    key, change = what[0], value[what[0]]
    if key in DAEMON_EVENTS:
        host = _one_of(f"{where}: {key}", change, DAEMONS)
        event = Event(at, DAEMON_EVENTS[key].format(host), **{key: host})
    elif isinstance(change, str):
        event = Event(at, f"{key.upper()} {_one_of(f'{where}: {key}', change, planned.ACTIONS)}", key, change)
    else:
        _link(f"{where}: {key}", change)
        told = ", ".join(f"{name.replace('_', ' ')} {amount:g}" for name, amount in change.items())
        event = Event(at, f"{key.upper()} {told}", key, change)
    return dataclasses.replace(event, label=value.get("label", event.label))


def _limits(figure: str, wanted) -> tuple[float | None, float | None]:
    if isinstance(wanted, NUMBER) and not isinstance(wanted, bool):
        return (wanted, None)
    if isinstance(wanted, dict) and wanted and set(wanted) <= {"least", "most"}:
        if all(isinstance(each, NUMBER) and not isinstance(each, bool) for each in wanted.values()):
            return (wanted.get("least"), wanted.get("most"))
    raise PlanError(f"expect: {figure}: is neither a number nor a table of least and most")


class Scenario:
    """What does for the module of a scenario."""

    VIRTUAL_TIME = True

    def __init__(self, file: pathlib.Path, plan: Plan):
        self.__doc__ = plan.title
        self.NEEDS = [spillway.binary(), file.resolve()]
        self.prepare = spillway.prepare
        self._plan = plan

    def run(self, lab) -> None:
        planned.run(lab, self._plan)


def load(file: pathlib.Path) -> Scenario:
    """Ends the program with file and reason if the plan cannot be used."""
    try:
        return Scenario(file, read(file.read_text(), file.stem))
    except (OSError, UnicodeDecodeError, PlanError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        print(f"lab/run: {file}: {reason}", file=sys.stderr)
        raise SystemExit(2) from error
