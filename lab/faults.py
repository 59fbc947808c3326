"""Netlink requests of a daemon that fail when they are told to: lab/faults.c, and what its log says."""

import collections
import errno
import mmap
import pathlib
import re
import struct

from lab import programs
from lab.scenario import REPOSITORY

PROGRAM = programs.program("faults")
# As struct control has it: seen, injected, answered; counted, first, parts, error, protocol, type, dumps, always,
# fresh.
COUNTS, ORDER = struct.Struct("<3Q"), struct.Struct("<3Q6i")
SIZE = 16384
# What a request is made to fail with.
ERRORS = ("EBUSY", "ENOMEM", "EPERM", "ENODEV", "EEXIST")
ROUTE, XFRM, NETFILTER = 0, 6, 12

_ROUTE = {
    0: "LINK", 1: "ADDR", 2: "ROUTE", 3: "NEIGH", 4: "RULE", 5: "QDISC", 6: "TCLASS", 7: "TFILTER", 8: "ACTION",
    16: "NETCONF",
}
_VERBS = ("NEW", "DEL", "GET", "SET")
_SUBSYSTEMS = {1: "conntrack", 2: "expectations", 3: "queue", 10: "nftables"}
_NFTABLES = {
    0: "NEWTABLE", 1: "GETTABLE", 2: "DELTABLE", 3: "NEWCHAIN", 4: "GETCHAIN", 6: "NEWRULE", 7: "GETRULE", 9: "NEWSET",
    10: "GETSET", 12: "NEWSETELEM", 13: "GETSETELEM", 14: "DELSETELEM", 16: "GETGEN", 19: "GETOBJ",
}
_QUEUE = {1: "VERDICT", 2: "CONFIG", 3: "VERDICT_BATCH"}
_CONNTRACK = {1: "GET", 2: "DELETE"}
_XFRM = {
    16: "NEWSA", 17: "DELSA", 18: "GETSA", 19: "NEWPOLICY", 20: "DELPOLICY", 21: "GETPOLICY", 25: "UPDPOLICY",
    26: "UPDSA",
}
NLM_F_DUMP = 0x300

# All that the daemons can send, as `Request.kind` calls it; of nf_tables what changes something is one transaction,
# or a message when that is alone in it. prepare() holds this against the sources.
KINDS = {
    "RTM_GETLINK", "RTM_GETLINK dump", "RTM_NEWLINK", "RTM_SETLINK", "RTM_DELLINK",
    "RTM_GETADDR dump", "RTM_NEWADDR", "RTM_DELADDR",
    "RTM_GETROUTE", "RTM_GETROUTE dump", "RTM_NEWROUTE", "RTM_DELROUTE",
    "RTM_GETRULE dump", "RTM_NEWRULE", "RTM_DELRULE", "RTM_GETNEIGH dump", "RTM_GETNETCONF dump",
    "RTM_GETQDISC", "RTM_NEWQDISC", "RTM_DELQDISC",
    "RTM_GETTFILTER dump", "RTM_NEWTFILTER", "RTM_DELTFILTER", "RTM_NEWACTION",
    "XFRM NEWSA", "XFRM DELSA", "XFRM GETSA", "XFRM GETSA dump",
    "XFRM NEWPOLICY", "XFRM UPDPOLICY", "XFRM DELPOLICY", "XFRM GETPOLICY dump",
    "nftables transaction", "nftables GETTABLE dump", "nftables GETCHAIN dump", "nftables GETRULE dump",
    "nftables GETSET dump", "nftables GETSETELEM", "nftables GETSETELEM dump", "nftables GETOBJ dump",
    "nftables GETGEN",
    "queue CONFIG", "queue VERDICT", "queue VERDICT_BATCH", "conntrack GET", "conntrack DELETE",
}
# What takes another fault to be sent: that the queue before both legs is there and its program cannot be. What is on a
# device goes with it otherwise.
SELDOM = {"RTM_DELQDISC"}
# Message types in the sources that only NetlinkKit's other users send, or that are only heard.
_NOT_SENT = {
    "RTM_NEWNEIGH", "RTM_DELNEIGH", "RTM_NEWTCLASS", "RTM_DELTCLASS", "RTM_GETTCLASS", "RTM_GETACTION", "RTM_DELACTION",
    "RTM_NEWNETCONF", "RTM_DELNETCONF", "XFRM_MSG_UPDSA", "XFRM_MSG_NEWAE", "XFRM_MSG_EXPIRE", "XFRM_MSG_POLEXPIRE",
    "XFRM_MSG_FLUSHSA", "XFRM_MSG_FLUSHPOLICY", "NFT_MSG_NEWGEN",
}
_TYPE = re.compile(r"\b(?:RTM_(?:NEW|DEL|GET|SET)|XFRM_MSG_|NFT_MSG_|NFQNL_MSG_|IPCTNL_MSG_CT_)[A-Z_]+")
_PREFIXES = {"XFRM_MSG_": "XFRM ", "NFQNL_MSG_": "queue ", "IPCTNL_MSG_CT_": "conntrack ", "NFT_MSG_": "nftables "}


def prepare() -> None:
    programs.compile("faults")
    unknown = sorted(_sent() - {kind.removesuffix(" dump") for kind in KINDS})
    if unknown:
        raise SystemExit(f"lab/faults.py: message types of Sources that are in no list: {', '.join(unknown)}")


def _sent() -> set[str]:
    """Message types that the sources send."""
    found = set()
    for folder in ("NetlinkKit", "NFTables"):
        for file in (REPOSITORY / "Sources" / folder).rglob("*.swift"):
            found |= set(_TYPE.findall(file.read_text()))
    names = set()
    for each in found - _NOT_SENT:
        prefix = next((prefix for prefix in _PREFIXES if each.startswith(prefix)), "")
        name = _PREFIXES.get(prefix, "") + each.removeprefix(prefix)
        names.add("nftables transaction" if name.startswith(("nftables NEW", "nftables DEL")) else name)
    return names


def _name(protocol: int, kind: int) -> str:
    if protocol == ROUTE:
        return f"RTM_{_VERBS[kind % 4]}{_ROUTE.get((kind - 16) // 4, kind)}"
    if protocol == NETFILTER:
        number = kind & 0xFF
        name = {10: _NFTABLES, 3: _QUEUE, 1: _CONNTRACK}.get(kind >> 8, {}).get(number, number)
        return f"{_SUBSYSTEMS.get(kind >> 8, kind >> 8)} {name}"
    return f"XFRM {_XFRM.get(kind, kind)}" if protocol == XFRM else f"{protocol} {kind}"


class Request(collections.namedtuple("Request", "number protocol type flags error process count")):
    """One that the daemon sent; `error` is what it was made to fail with, 0: nothing."""

    @property
    def is_dump(self) -> bool:
        # For what is new or deleted these bits say something else.
        return self.flags & NLM_F_DUMP == NLM_F_DUMP

    @property
    def is_transaction(self) -> bool:
        return self.protocol == NETFILTER and self.type >> 8 == 10 and _NFTABLES.get(self.type & 0xFF, "")[:3] != "GET"

    @property
    def kind(self) -> str:
        if self.protocol == NETFILTER and self.type >> 8 == 10 and self.count > 1:
            return "nftables transaction"
        return _name(self.protocol, self.type) + (" dump" if self.is_dump else "")


class Faults:
    """`Spillway(lab, "hg", settings, before=faults.command)`; then `faults.arm(3, "EBUSY")`: the third from now on."""

    def __init__(self, folder: pathlib.Path, name: str):
        self.file, self.log = folder / f"{name}.faults", folder / f"{name}.requests"
        self.file.write_bytes(bytes(SIZE))
        with open(self.file, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), SIZE)
        self.arm(0)

    @property
    def command(self) -> tuple[str, ...]:
        return (str(PROGRAM), str(self.file), str(self.log))

    def arm(self, first: int, error: str = "", parts: int = 0, protocol: int = -1, kind: int = -1,
            dumps: bool | int = -1, always: bool = False, fresh: bool = False) -> None:
        """Lets request number `first` from now on fail; 0: no more. With `parts` requests are dealt out to so many
        parts, and those of part number `first` fail. With a protocol, a type or a word on whether it is for a list only
        requests of that kind count; with `always` each of them fails. With `fresh` the first of each kind that has not
        failed with this error yet, since these faults were made, fails besides."""
        number = getattr(errno, error) if error else 0
        ORDER.pack_into(
            self._memory, COUNTS.size, 0, first, parts, number, protocol, kind, int(dumps), int(always), int(fresh))

    @property
    def seen(self) -> int:
        return COUNTS.unpack_from(self._memory)[0]

    @property
    def injected(self) -> int:
        return COUNTS.unpack_from(self._memory)[1]

    @property
    def answered(self) -> int:
        """How many refusals the program has read."""
        return COUNTS.unpack_from(self._memory)[2]

    def requests(self) -> list[Request]:
        """What the log has."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [Request(*map(int, line.split())) for line in lines if line.count(" ") == 6]


def table(faults: "list[Faults]") -> dict[str, dict[str, int]]:
    """How often requests of each kind were made to fail, by error."""
    counts: dict[str, dict[str, int]] = {kind: dict.fromkeys(ERRORS, 0) for kind in sorted(KINDS)}
    for each in faults:
        for request in each.requests():
            # What is alone in a transaction is one, too.
            kind = "nftables transaction" if request.is_transaction else request.kind
            row = counts.setdefault(kind, dict.fromkeys(ERRORS, 0))
            if request.error:
                row[errno.errorcode[request.error]] += 1
    return counts
