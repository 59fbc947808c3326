"""Netlink requests of a daemon that fail when they are told to: lab/faults.c, and what its log says."""

import collections
import errno
import mmap
import pathlib
import struct

from lab import programs

PROGRAM = programs.program("faults")
# As struct control has it: seen, injected, answered; counted, first, parts, error, protocol, type, dumps, always.
COUNTS, ORDER = struct.Struct("<3Q"), struct.Struct("<3Q5i")
SIZE = 4096
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
NLM_F_DUMP = 0x300


def prepare() -> None:
    programs.compile("faults")


def _name(protocol: int, kind: int) -> str:
    if protocol == ROUTE:
        return f"RTM_{_VERBS[kind % 4]}{_ROUTE.get((kind - 16) // 4, kind)}"
    if protocol == NETFILTER:
        number = kind & 0xFF
        name = {10: _NFTABLES, 3: _QUEUE}.get(kind >> 8, {}).get(number, number)
        return f"{_SUBSYSTEMS.get(kind >> 8, kind >> 8)} {name}"
    return f"XFRM {kind}" if protocol == XFRM else f"{protocol} {kind}"


class Request(collections.namedtuple("Request", "number protocol type flags error process count")):
    """One that the daemon sent; `error` is what it was made to fail with, 0: nothing."""

    @property
    def is_dump(self) -> bool:
        # For what is new or deleted these bits say something else.
        return self.flags & NLM_F_DUMP == NLM_F_DUMP

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
            dumps: bool | int = -1, always: bool = False) -> None:
        """Lets request number `first` from now on fail; 0: no more. With `parts` requests are dealt out to so many
        parts, and those of part number `first` fail. With a protocol, a type or a word on whether it is for a list only
        requests of that kind count; with `always` each of them fails."""
        number = getattr(errno, error) if error else 0
        ORDER.pack_into(self._memory, COUNTS.size, 0, first, parts, number, protocol, kind, int(dumps), int(always))

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
