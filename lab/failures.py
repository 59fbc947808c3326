"""What can go wrong with a way that carries: the causes, the traffic meanwhile, and when it is back."""

import dataclasses
import fcntl
import socket
import struct
import time

from lab import namespaces
from lab.measure import flow
from lab.measure.stream import Stream, longest_gap
from lab.topology import CLIENT, SERVER, Leg, Topology

# Payload of a voice packet of 20 ms, G.711 in RTP.
VOICE, VOICE_RATE = 160 + 12, 50
# More than a flow may have that passes the bond's queue by.
PROBE, PROBE_MBIT = 450, 0.6
STREAM_MBIT, UNREAD = 0.75, 12 << 10
# What takes so much longer than the most before is late: it has waited for something that failed.
LATE_MS = 100
# All is well again when nothing was missed for so long.
WELL_S = 1.5


@dataclasses.dataclass
class Back:
    """What a failure did to numbered datagrams. `back_ms`: from the cause until the last one that is lost (when it was
    sent), late or out of order (when it came) is over; `missed`: those that were lost in the second before."""

    back_ms: float
    lost: int
    misplaced: int
    late: int
    gap_ms: float
    missed: int

    @classmethod
    def of(cls, seen: flow.UDPFlow, pause: float, cause: float, until: float) -> "Back":
        came = {number: (at, delay) for (at, number), (_, delay) in zip(seen.arrivals, seen.delays)}
        start = min(at - delay / 1e3 - number * pause for number, (at, delay) in came.items())
        usual = max((delay for at, delay in came.values() if cause - 2 < at < cause), default=0.0)
        # What was under way when it happened may be lost by it; what is at the end may still come.
        first, last = (max(0, int((at - 0.3 - start) / pause)) for at in (cause, until - 0.2))
        lost = [start + number * pause for number in range(first, min(last, seen.sent)) if number not in came]
        missed = sum(number not in came for number in range(max(0, first - round(1 / pause)), first))
        misplaced, late, highest = [], [], -1
        for at, number in seen.arrivals:
            if cause < at < until:
                if number < highest:
                    misplaced.append(at)
                elif came[number][1] > usual + LATE_MS:
                    late.append(at)
            highest = max(highest, number)
        back = max([cause, *lost, *misplaced, *late]) - cause
        gap = longest_gap([at for at, _ in seen.arrivals], cause, until)
        return cls(back * 1e3, len(lost), len(misplaced), len(late), gap * 1e3, missed)


class Traffic:
    """A voice call, a probe that makes use of both legs, and a TCP flow down, from construction until `result`."""

    def __init__(self, most: float, tcp_only: bool = False):
        """`most`: seconds that it may last. `tcp_only`: MPTCP between the server and hg, which has both addresses."""
        voice = {"mbit": VOICE * 8 * VOICE_RATE / 1e6, "size": VOICE}
        self.pauses = {"voice_down": 1 / VOICE_RATE, "voice_up": 1 / VOICE_RATE, "probe": PROBE * 8 / PROBE_MBIT / 1e6}
        self.flows = {} if tcp_only else {
            "voice_down": flow.UDP("server", "client", CLIENT, most, port=5301, **voice),
            "voice_up": flow.UDP("client", "server", SERVER, most, port=5302, **voice),
            "probe": flow.UDP("server", "client", CLIENT, most, port=5303, mbit=PROBE_MBIT, size=PROBE),
        }
        # MPTCP has the links to itself, and needs both only for more than one of them carries.
        rate = {"mbit": 3 * STREAM_MBIT, "unread": 4 * UNREAD} if tcp_only else {"mbit": STREAM_MBIT, "unread": UNREAD}
        self.stream = Stream("server", "hg" if tcp_only else "client", SERVER, mptcp=tcp_only, **rate)

    def well(self, usual: dict[str, float]) -> bool:
        """Whether nothing has been missed of late."""
        begin = time.monotonic() - WELL_S
        for name, each in self.flows.items():
            delays = each.delays_since(begin)
            if len(delays) < 0.98 * (WELL_S / self.pauses[name]) - 1 or max(delays) > usual[name] + LATE_MS:
                return False
        return self.stream.between(begin, begin + WELL_S) >= 20

    def usual(self) -> dict[str, float]:
        return {name: max(each.delays_since(time.monotonic() - 2), default=0.0) for name, each in self.flows.items()}

    def result(self, cause: float, until: float) -> dict:
        """One row: each flow's figures, and the worst of all."""
        for each in self.flows.values():
            each.stop()
        self.stream.stop()
        goes_on = self.stream.between(until - WELL_S, until) >= 20
        stalled = round(longest_gap(self.stream.arrivals, cause, until) * 1e3)
        row = {"stall_ms": stalled, "goes_on": goes_on, "tcp_error": self.stream.error}
        found = {name: Back.of(each.result(), self.pauses[name], cause, until) for name, each in self.flows.items()}
        for name, back in found.items():
            row[name] = {key: round(value) for key, value in dataclasses.asdict(back).items()}
        if found:
            row["back_ms"] = max(each["back_ms"] for each in map(row.get, found))
        return row


def carrier_lost(leg: Leg) -> None:
    """The way that takes least time itself: a command would take as long as what is to be measured."""
    get, set_, up = 0x8913, 0x8914, 1
    with namespaces.inside(leg.router), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sH22x", leg.near.encode(), 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(handle, get, request))[1]
        fcntl.ioctl(handle, set_, struct.pack("16sH22x", leg.near.encode(), flags & ~up))


def forwards(leg: Leg, on: bool) -> None:
    """Whether the access router passes anything on; without a command either. It says nothing to whom it drops."""
    with namespaces.inside(leg.router), open("/proc/sys/net/ipv4/ip_forward", "w") as switch:
        switch.write("1" if on else "0")


@dataclasses.dataclass(frozen=True)
class Cause:
    """`leg`: the one it happens to, by which ways that use one leg carry; `allowed`: seconds that are waited."""

    name: str
    words: str
    leg: str
    allowed: float = 30

    @property
    def who(self) -> str:
        """A leg or a host."""
        return self.name.split("-")[0]

    @property
    def kind(self) -> str:
        """What happens to it."""
        return self.name.split("-")[1]

    def happen(self, network: Topology, daemons: dict) -> None:
        leg = network.leg(self.leg)
        match self.kind:
            case "carrier":
                carrier_lost(leg)
            case "silent":
                forwards(leg, False)
            case "slow":
                leg.change(delay_ms=SLOW_MS)
            case "moved":
                leg.change_address(MOVED)
            case "restart":
                daemons[self.who].kill()
                daemons[self.who].start()

    def heal(self, network: Topology) -> None:
        leg = network.leg(self.leg)
        match self.kind:
            case "carrier":
                leg.carrier(True)
            case "silent":
                forwards(leg, True)
            case "slow":
                leg.change(delay_ms=25)
            case "moved":
                leg.change_address("10.1.0.2")


SLOW_MS, MOVED = 150, "10.1.0.77"
CAUSES = (
    Cause("dsl-carrier", "DSL's carrier lost", "dsl"),
    Cause("lte-carrier", "LTE's carrier lost", "lte"),
    Cause("dsl-silent", "DSL falls silent", "dsl"),
    Cause("lte-silent", "LTE falls silent", "lte"),
    Cause("dsl-moved", "DSL gets another address", "dsl"),
    Cause("hg-restart", "gateway's daemon killed and started", "dsl"),
    Cause("haap-restart", "aggregator's daemon killed and started", "dsl"),
    Cause("lte-slow", "LTE's round trip becomes 300 ms", "lte", 60),
)
