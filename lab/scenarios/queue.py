"""One queue before both legs: what is overtaken, what passes by, what is left; and what stands in without BPF (village)."""

import contextlib
import pathlib
import shutil
import socket
import struct
import time

from lab import namespaces, spillway
from lab.measure import flow
from lab.measure.capture import Capture, packets
from lab.measure.counters import Counters, tcp_counters
from lab.measure.explained import Explained
from lab.measure.frames import Wires
from lab.spillway import Spillway, is_bonded, settings, uses_only
from lab.topology import CLIENT, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary(), pathlib.Path(shutil.which("setpriv") or "/usr/bin/setpriv")]
# Takes the right to load programs into the kernel away, and nothing that the daemon needs otherwise.
WITHOUT_BPF = ("setpriv", "--bounding-set", "-bpf,-sys_admin", "--inh-caps", "-bpf,-sys_admin")

prepare = spillway.prepare


def run(lab):
    first_use(lab)
    lab.check("nothing of it is left", "spillway" not in namespaces.run(None, "bpftool", "map", "show"))
    small_flows(lab)
    adds_nothing(lab)
    left_with_long_queue(lab)
    with Topology.load("village") as network, bonded(lab, network, before=WITHOUT_BPF) as (hg, _):
        kinds = {host: namespaces.run(host, "tc", "filter", "show", "dev", "bond0", "egress") for host in ("hg", "haap")}
        lab.check("haap: the program chooses", "bpf" in kinds["haap"] and "police" not in kinds["haap"], kinds["haap"])
        lab.check("hg: without BPF police does", "bpf" not in kinds["hg"] and "police" in kinds["hg"], kinds["hg"])
        lab.check("hg: the log says so", "LTE takes what police refuses" in hg.log(), hg.log()[-500:])


@contextlib.contextmanager
def bonded(lab, network, **gateway):
    """Both daemons with one queue before both legs, the gateway first; `gateway`: how that one is started."""
    colour = {"overflow": "queue"}
    haap = Spillway(lab, "haap", settings("haap", network, colour=colour))
    with haap, Spillway(lab, "hg", settings("hg", network, colour=colour), **gateway) as hg:
        hg.wait_for("bonded", is_bonded)
        yield hg, haap


def first_use(lab):
    """What DSL has must not overtake what LTE gets first: TCP would take that for a loss, and grow slowly from then on."""
    with Topology.load("village") as network, bonded(lab, network) as (hg, haap):
        time.sleep(3)
        # LTE's rate is not known yet, and then it is.
        for name in ("first", "second"):
            counters = Counters({"lte": ("hg", "lte", "rx")})
            before, given = tcp_counters("client")["TcpExtTCPOFOQueue"], counters.read()["lte"]
            bulk = flow.TCP("client", "server", SERVER, 3, reverse=True, omit=0)
            # LTE comes into use, and nothing is dropped yet.
            lab.wait(f"the {name} flow uses LTE", lambda: counters.read()["lte"] > given + 9000)
            time.sleep(0.1)
            queued = tcp_counters("client")["TcpExtTCPOFOQueue"] - before
            lab.figure(f"{name}_flow_mbit", bulk.result().mbit)
            lab.at_most(f"the {name} flow uses LTE: segments out of order", queued, 3)
            time.sleep(3)
        remembered(lab, network, hg, haap)


def remembered(lab, network, hg, haap):
    """What LTE carries is still known when either leg comes back; of LTE that was away, half of it."""
    rate = lambda: haap.status()["bonds"][0]["lte"]["rate_kbit"]
    for leg, other, least in (("dsl", "lte", 0.95), ("lte", "dsl", 0.45)):
        known = rate()
        getattr(network, leg).carrier(False)
        hg.wait_for(f"{leg} is lost", uses_only(other))
        lab.wait("the other end knows", lambda: haap.status()["summary"]["both_legs"] == 0)
        getattr(network, leg).carrier(True)
        hg.wait_for(f"{leg} is back", is_bonded, seconds=30)
        lab.at_least(f"{leg} was lost: share of LTE's rate that is known then", rate() / known, least)


def small_flows(lab):
    """Each of a thousand flows of one packet passes a large one by: hardly any is taken for it."""
    count = 1000
    with Topology.load("village", lte={"delay_ms": 75}) as network, bonded(lab, network):
        bulk = flow.TCP("client", "server", SERVER, 6, reverse=True)
        time.sleep(4)
        ends = [Capture(host, device, lab.out / f"small-{host}.pcap", filter="udp port 5999")
                for host, device in (("server", "s0"), ("client", "c0"))]
        with namespaces.inside("server"):
            sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
        for number, each in enumerate(sockets):
            each.bind((SERVER, 20000 + number))
            each.sendto(b"?", (CLIENT, 5999))
            each.close()
            time.sleep(0.002)
        time.sleep(1)
        bulk.stop()
        left, came = ({struct.unpack_from("!H", each.data)[0]: each.time for each in packets(end.stop())} for end in ends)
        took = sorted(came[port] - left[port] for port in left if port in came)
        slow = sum(each > took[len(took) // 2] + 0.02 for each in took)
        lab.figure("small_flows_p50_ms", took[len(took) // 2] * 1e3)
        lab.figure("small_flows_slow", slow)
        lab.check("small flows: all have come", len(left) == len(took) == count, f"{len(left)}, {len(took)}")
        lab.at_most("small flows that wait with a large one", slow, 3)


def adds_nothing(lab):
    """A leg that begins to lose every twentieth packet is left, at both ends, and explain says why."""
    with Topology.load("village") as network, bonded(lab, network) as (hg, haap):
        flows = {
            hg: flow.UDP("client", "server", SERVER, 60, mbit=24, size=1200, port=5301),
            haap: flow.UDP("server", "client", CLIENT, 60, mbit=24, size=1200, port=5302),
        }
        # More than the half that it begins with has been measured. A probe that is lost before leaves the leg for another
        # reason, and at one end alone.
        hg.wait_for("LTE's rate is known up", lambda status: status["bond"]["lte"]["rate_kbit"] > 12_000)
        haap.wait_for("LTE's rate is known down", lambda status: status["bonds"][0]["lte"]["rate_kbit"] > 12_000)
        network.lte.change(loss_percent=5)
        hg.wait_for("LTE adds nothing", lambda status: status["bond"].get("lte_adds_nothing"), 25)
        haap.wait_for("told", lambda status: status["bonds"][0]["primary_only"])
        # What waits in the queue for LTE still leaves.
        time.sleep(0.5)
        wires = {end: Wires(end.host, lab.out, "adds-nothing") for end in flows}
        ways = {hg: (CLIENT, SERVER, 5301, "adds_nothing"), haap: (SERVER, CLIENT, 5302, "asked")}
        for end, (source, destination, port, why) in ways.items():
            told = Explained.of(end.explain("udp", f"{source}:9", f"{destination}:{port}"))
            knows = (told.leg, told.legs, told.unused) == ("dsl", ("dsl",), {"lte": why})
            lab.check(f"{end.host}: LTE adds nothing: explain says so", knows, str(told))
        for end, (_, _, port, _) in ways.items():
            where = wires[end].stop().count(port)
            lab.check(f"{end.host}: the load is on DSL's wire alone", set(where) == {"dsl"}, str(where))
        for each in flows.values():
            each.stop()
        for each in flows.values():
            each.result()


def left_with_long_queue(lab):
    """While a far LTE leg is used a large flow has a quarter of a second of packets in DSL's queue. That is too much
    when the leg is left: the flow loses some packets then, not all of what it sends until the queue is short."""
    with Topology.load("village", lte={"delay_ms": 225}) as network, bonded(lab, network) as (hg, _):
        large = flow.UDP("server", "client", CLIENT, 40, mbit=9, size=1200)
        time.sleep(6)
        network.lte.change(loss_percent=5)
        hg.wait_for("LTE adds nothing", lambda status: status["bond"].get("lte_adds_nothing"), 25)
        time.sleep(3)
        large.stop()
        result = large.result()
        came = sorted({number for _, number in result.arrivals})
        missing = max(after - before - 1 for before, after in zip(came, came[1:]))
        lab.figure("left_lost_in_a_row", missing)
        lab.figure("left_lost", result.lost)
        lab.at_most("a far LTE leg is left: packets lost in a row", missing, 20)
