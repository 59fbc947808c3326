"""Messages replayed and forged, to both ends: no bond changes, no packet is lost, each is counted with its reason (village)."""

import collections
import dataclasses
import json
import struct
import time

from lab import namespaces, spillway
from lab.measure import flow, state
from lab.measure.capture import Capture, Packet, gre, packets
from lab.measure.control import SETUP_REQUEST, TEAR_DOWN
from lab.measure.frames import Probe, ip_packet
from lab.measure.order import CONTROL_PROTOCOLS
from lab.scenarios.life import fire, ip4
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import CLIENT, HAAP, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
COPIES = 20
# An address that is none of the bond's and that can be answered.
STRANGER = SERVER
# Where a packet from the tunnel would come out.
PORT = 5999

prepare = spillway.prepare


def run(lab):
    # Often, so that there is something to replay.
    haap = settings("haap", Topology.load("village"), session={"active_hello_interval": "1 s"})
    with Topology.load("village") as network, Spillway(lab, "haap", haap) as haap:
        former = recorded(lab, network, haap)
        with Spillway(lab, "hg", settings("hg", network)) as hg:
            hg.wait_for("bonded", is_bonded)
            lab.wait("its own messages", lambda: hg.status()["bond"]["hello_state"] == "active")
            with Watch(lab, hg, haap, network) as watch:
                current = watch.messages()
                replayed(watch, [each for each in former if kind(each) != SETUP_REQUEST])
                ends = [ended(each, former) for each in current]
                strangers(watch, current + ends)
                wrong_keys(watch, current + ends)
                wrong_legs(watch, network, current + ends)
                stale_requests(watch, former)
                data(lab, watch, network, current)


def kind(packet: Packet) -> int:
    return packet.data[8] >> 4


def recorded(lab, network, haap) -> list[Packet]:
    """The control messages of a bond from its first to its last one."""
    wires = [Capture("hg", leg.name, lab.out / f"former-{leg.name}.pcap", snap=0, filter="ip proto 47") for leg in network.legs]
    with Spillway(lab, "hg", settings("hg", network)) as hg:
        hg.wait_for("bonded", is_bonded)
        time.sleep(3)
    found = [each for wire in wires for each in control(wire.stop())]
    kinds = collections.Counter(kind(each) for each in found)
    lab.check("the record has all from the request to the end", {SETUP_REQUEST, TEAR_DOWN} <= set(kinds), str(kinds))
    lab.wait("the bond has ended", lambda: not haap.status()["bonds"])
    return found


def control(file) -> list[Packet]:
    return [each for each in packets(file) if (header := gre(each)) and header.protocol in CONTROL_PROTOCOLS and len(each.data) > 8]


class Watch:
    """A bond that carries flows both ways while it is shot at."""

    def __init__(self, lab, hg, haap, network):
        self.lab, self.hg, self.haap, self.network = lab, hg, haap, network

    def __enter__(self):
        self.bond = self.hg.status()["bond"]
        self.flows = [flow.UDP("client", "server", SERVER, 60, mbit=0.2, size=200, port=5301),
                      flow.UDP("server", "client", CLIENT, 60, mbit=0.2, size=200, port=5302)]
        self.out = Capture("server", "s0", self.lab.out / "to-stranger.pcap", filter="ip proto 47")
        return self

    def __exit__(self, *exception):
        for each in self.flows:
            each.stop()
        for way, each in zip(("up", "down"), self.flows):
            got = each.result()
            self.lab.check(f"nothing is lost {way}", got.lost == 0, f"{got.lost} of {got.sent}")
            self.lab.check(f"nothing is out of order {way}", got.out_of_order == 0, f"{got.out_of_order} of {got.received}")
        answers = len(list(packets(self.out.stop())))
        # Its own Tear Down, with the key that it sent: a gateway whose leg was lost here is to know.
        self.lab.figure("stranger_answers", answers)
        self.lab.at_most("answers to a stranger, of 400 messages", answers, 40)

    def messages(self) -> list[Packet]:
        """What both ends say in two seconds."""
        wires = [Capture("hg", leg.name, self.lab.out / f"now-{leg.name}.pcap", snap=0, filter="ip proto 47")
                 for leg in self.network.legs]
        time.sleep(2)
        return [each for wire in wires for each in control(wire.stop())]

    def shoot(
        self, what: str, shots: list[tuple[str, str, str, bytes]], reasons=frozenset({"unknown_key"}), spared: int = 0
    ) -> None:
        """Fires (router, source, destination, payload of IP); afterwards the bond is what it was, and all of them but
        `spared` are counted at the ends they went to, some with these reasons: a flood is counted as that."""
        before = {end: end.status()["discarded"] for end in (self.hg, self.haap)}
        for router in ("dsl", "lte"):
            with namespaces.inside(router):
                fire([ip4(source, destination, payload) for at, source, destination, payload in shots if at == router])
        time.sleep(0.3)
        status, lab = self.hg.status(), self.lab
        now = status["bond"]
        same = all(now.get(key) == self.bond[key] for key in ("session_id", "device", "distribution"))
        lab.check(f"{what}: the bond is as it was", same and is_bonded(status), json.dumps(now)[:300])
        known = [each["session_id"] for each in self.haap.status()["bonds"]]
        lab.check(f"{what}: and the aggregation point's only one", known == [self.bond["session_id"]], str(known))
        # The kernel counts what is no control message.
        for end in (self.hg, self.haap) if reasons else ():
            more = collections.Counter(end.status()["discarded"]) - collections.Counter(before[end])
            sent = sum((destination == HAAP) == (end is self.haap) for _, _, destination, _ in shots)
            # Answers to what came from an address of the gateway's reach it, and count there.
            lab.at_least(f"{what}: {end.host}: counted", more.total(), max(sent - spared, 0))
            missing = reasons - set(more) if sent else set()
            lab.check(f"{what}: {end.host}: with the reason", not missing, str(dict(more)))


def router(packet: Packet, network) -> str:
    """By which leg a message went."""
    return "dsl" if network.dsl.hg_address in (packet.source, packet.destination) else "lte"


def shots(watch, messages, change=lambda each: (each.source, each.data)):
    return [(router(each, watch.network), change(each)[0], each.destination, change(each)[1]) for each in messages] * COPIES


def replayed(watch, former):
    """What was said in a bond that has ended, its Tear Down too, from the right addresses."""
    watch.shoot("replayed", shots(watch, former))


def ended(packet: Packet, former: list[Packet]) -> Packet:
    """A message as the Tear Down that it could be (RFC 8157 §5.5): with its key, for its leg."""
    model = next(each for each in former if kind(each) == TEAR_DOWN)
    data = packet.data[:8] + bytes([TEAR_DOWN << 4 | packet.data[8] & 15]) + model.data[9:]
    return dataclasses.replace(packet, data=data)


def strangers(watch, said):
    """With the key of the bond, from an address that is none of its legs'."""
    watch.shoot("stranger", shots(watch, said, lambda each: (STRANGER, each.data)), {"wrong_source"})


def wrong_keys(watch, said):
    """Each bit of the key but one is right; from the right addresses."""
    def flipped(data):
        (key,) = struct.unpack_from(">I", data, 4)
        return data[:4] + struct.pack(">I", key ^ 1) + data[8:]

    watch.shoot("wrong key", shots(watch, said, lambda each: (each.source, flipped(each.data))), {"unknown_key"})


def wrong_legs(watch, network, said):
    """The gateway's messages of one leg, from its address of the other."""
    dsl, lte = network.dsl.hg_address, network.lte.hg_address
    other = {dsl: ("lte", lte), lte: ("dsl", dsl)}
    own = [each for each in said if each.source in other]
    fired = [(*other[each.source], each.destination, each.data) for each in own] * COPIES
    watch.shoot("wrong leg", fired, {"wrong_source"})


def stale_requests(watch, former):
    """Setup Requests of a former bond: the first one, as a gateway that starts anew would send it, and that which
    names the session."""
    said = [each for each in former if kind(each) == SETUP_REQUEST]
    # One begins the verification.
    watch.shoot("old request", shots(watch, said), {"verification_under_way", "unknown_session"}, spared=1)


def data(lab, watch, network, current):
    """Packets for the inside of the tunnel: with the key from a stranger, and with another key from the leg's address."""
    inside = Capture("server", "s0", lab.out / "inside.pcap", filter=f"udp port {PORT}")
    key = gre(current[0]).key
    inner = ip_packet(Probe("forged", dport=PORT))
    fired = [("dsl", source, HAAP, struct.pack(">HHII", 0x3000, 0x0800, used, 1) + inner)
             for source, used in ((STRANGER, key), (network.dsl.hg_address, key ^ 1))] * COPIES
    before = invalid()
    watch.shoot("data", fired, None)
    counted = invalid() - before
    lab.check("forged data is counted", counted == len(fired), f"{counted} of {len(fired)}")
    came = len(list(packets(inside.stop())))
    lab.at_most("forged data that came out of the tunnel", came, 0)


def invalid() -> int:
    """Packets that the aggregation point's table for what is outside the tunnel dropped."""
    return state.counter("haap", "ip spillway", "invalid")
