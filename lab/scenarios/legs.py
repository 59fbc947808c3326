"""Legs that fail, move and return: carrier, both at once, another address, LTE away for longer than it may be (village)."""

import fcntl
import json
import socket
import struct
import subprocess
import time

from lab import namespaces, spillway
from lab.measure import control, flow
from lab.measure.capture import Capture
from lab.measure.explained import Explained
from lab.measure.ping import ping
from lab.spillway import Spillway, is_bonded, settings, uses_only
from lab.topology import CLIENT, HAAP, SERVER, SERVER6, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
IDLE_TIMEOUT_S = 60
# Half of DSL's rate is committed, so that both legs are in use and either can carry all.
COLOUR = {"cir_share": 50}

prepare = spillway.prepare


def run(lab):
    session = {"active_hello_interval": "1 s", "idle_timeout": f"{IDLE_TIMEOUT_S} s"}
    with Topology.load("village") as network:
        haap = Spillway(lab, "haap", settings("haap", network, session=session, colour=COLOUR))
        hg = Spillway(lab, "hg", settings("hg", network, colour=COLOUR))
        with haap, hg:
            hg.wait_for("bonded", is_bonded)
            for leg, other in ((network.dsl, network.lte), (network.lte, network.dsl)):
                carrier(lab, network, hg, haap, leg, other)
            moved(lab, network, hg, haap)
            both(lab, network, hg, haap)
            without_lte(lab, network, hg, haap)


def carrier(lab, network, hg, haap, leg, other):
    """The last packet on a leg that lost its carrier."""
    session = hg.status()["bond"]["session_id"]
    name = f"{leg.name}_carrier"
    flows = {
        "down": flow.UDP("server", "client", CLIENT, 3, mbit=6, size=1200),
        "up": flow.UDP("client", "server", SERVER, 3, mbit=6, size=1200, port=5301),
    }
    lab.wait("both flow", lambda: all(each.received > 500 for each in flows.values()))
    sent = Capture("haap", leg.haap_device, lab.out / f"{name}-haap.pcap", snap=256, filter="proto 47")
    told = Capture("hg", other.name, lab.out / f"{name}-hg.pcap", snap=256, filter="proto 47")
    lab.event(f"{leg.name} loses its carrier")
    begun = time.time()
    # Both hear of it in the same moment, this here or the gateway first.
    at = unplug(leg)
    hg.wait_for(f"uses only {other.name}", uses_only(other.name))
    haap.wait_for(f"uses only {other.name}", uses_only(other.name))
    for host, device in (("hg", "bond0"), ("haap", "bond0")):
        elements = json.loads(namespaces.run(host, "nft", "-j", "list", "map", "ip", "spillway", f"{leg.name}_to"))
        left = [each["map"].get("elem", []) for each in elements["nftables"] if "map" in each][0]
        lab.check(f"{name}: {host} has nowhere to send on {leg.name}", not left, str(left))
    for end, source, destination in ((hg, CLIENT, SERVER), (haap, SERVER, CLIENT)):
        said = Explained.of(end.explain("udp", f"{source}:9", f"{destination}:5301"))
        knows = (said.leg, said.legs, said.unused) == (other.name, (other.name,), {leg.name: "down"})
        lab.check(f"{name}: {end.host}: explain knows which leg is left, and why", knows, str(said))
    results = {way: each.result() for way, each in flows.items()}
    file, notes = sent.stop(), control.messages(told.stop())
    # The gateway may have to wait for the kernel, which takes the link's queues down under the lock of all its links.
    kind = control.DSL_FAILURE if leg.name == "dsl" else control.LTE_FAILURE
    failures = control.saying(notes, kind, other.hg_address)
    said = min((each.time for each in failures if each.time >= begun), default=at + 9)
    lab.at_most(f"{name}: told after, ms", max(0, said - at) * 1e3, 80)
    # Packets that the aggregator sent after it could know.
    late = [when - said for when in control.data_times(file, HAAP) if when > said]
    worst = max(late, default=0) * 1e3
    limit = 20 + other.up.delay_ms
    lab.figure(f"{name}_last_packet_ms", worst)
    lab.at_most(f"{name}: last packet on the dead leg, ms", worst, limit)
    lab.check(f"{name}: told over {other.name}, and acknowledged", failures and control.saying(notes, kind, HAAP))
    for way, seen in results.items():
        lab.figure(f"{name}_{way}_lost", seen.lost)
        lab.figure(f"{name}_{way}_outage_ms", seen.longest_gap_ms)
        lab.at_most(f"{name}: outage {way}, ms", seen.longest_gap_ms, 120)
    leg.carrier(True)
    hg.wait_for("bonded again", is_bonded, seconds=120)
    lab.check(f"{name}: the same bond", hg.status()["bond"]["session_id"] == session)


def unplug(leg) -> float:
    """Takes the carrier away by the shortest way; the wall clock's time when the gateway's kernel said so.

    That takes the kernel 5 to 50 ms, as its work queue of link changes has it.
    """
    get, set_, up, lower_up = 0x8913, 0x8914, 1, 0x10000
    with namespaces.inside("hg"):
        told = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        told.bind((0, 1))
        index = socket.if_nametoindex(leg.name)
    told.settimeout(2)
    with told, namespaces.inside(leg.router), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sH22x", leg.near.encode(), 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(handle, get, request))[1]
        fcntl.ioctl(handle, set_, struct.pack("16sH22x", leg.near.encode(), flags & ~up))
        while True:
            message = told.recv(65536)
            found, state = struct.unpack_from("=iI", message, 20)
            if found == index and not state & lower_up:
                return time.time()


def moved(lab, network, hg, haap):
    """A WAN address that changes revives the leg; neither the bond nor a connection ends."""
    before = hg.status()["bond"]
    index = device_index("hg"), device_index("haap")
    transfer = flow.TCP("client", "server", SERVER, 5, reverse=True)
    for leg, address in ((network.lte, "10.2.0.77"), (network.dsl, "10.1.0.77")):
        time.sleep(1)  # It flows.
        lab.event(f"{leg.name} gets another address")
        leg.change_address(address)
        has = lambda status: is_bonded(status) and status["bond"]["legs"][leg.name].get("address") == address
        hg.wait_for(f"{leg.name} is up with {address}", has)
        known = lambda status: status["bonds"][0]["legs"][leg.name].get("address") == address
        haap.wait_for("and the aggregator knows", known)
    got = transfer.result()
    lab.figure("moved_mbit", got.mbit)
    lab.at_least("the connection lived through it, Mbit/s", got.mbit, 8)
    after = hg.status()["bond"]
    lab.check("the same bond", after["session_id"] == before["session_id"])
    lab.check("the same devices", (device_index("hg"), device_index("haap")) == index)


def device_index(host: str) -> int:
    return json.loads(namespaces.run(host, "ip", "-j", "link", "show", "dev", "bond0"))[0]["ifindex"]


def both(lab, network, hg, haap):
    """With both legs gone the bond ends, and a new one begins."""
    session = hg.status()["bond"]["session_id"]
    lab.event("both legs lose their carrier")
    for leg in network.legs:
        leg.carrier(False)
    hg.wait_for("no bond", lambda status: status["bond"]["state"] == "down")
    exit_codes(lab, hg)
    for leg in network.legs:
        leg.carrier(True)
    hg.wait_for("bonded anew", is_bonded, seconds=120)
    lab.check("another bond", hg.status()["bond"]["session_id"] != session)
    haap.wait_for("one bond at the aggregator", lambda status: len(status["bonds"]) == 1)
    lab.check("and it carries", ping("client", SERVER, 3).received == 3)


def exit_codes(lab, hg):
    """Of explain: 0 for any answer, 1 where no daemon answers, 2 for what is no flow."""
    flow = ("udp", f"{CLIENT}:9", f"{SERVER}:9")
    without = spillway.command("explain", hg, *flow, "--json")
    told = json.loads(without.stdout or "{}")
    # The kernel keeps the default route of a link that has no carrier.
    lab.check("no bond: explain says so, status 0", without.returncode == 0 and told.get("way") == "route"
              and "bond" not in told and "no bond" in told["summary"], f"{without.returncode}: {told.get('summary')}")
    namespaces.run("hg", "ip", "route", "add", "unreachable", f"{SERVER}/32")
    nowhere = spillway.command("explain", hg, *flow, "--json")
    namespaces.run("hg", "ip", "route", "del", "unreachable", f"{SERVER}/32")
    told = json.loads(nowhere.stdout or "{}")
    lab.check("no way: explain says nowhere, status 0", nowhere.returncode == 0 and told.get("way") == "none"
              and told.get("refusal"), f"{nowhere.returncode}: {told.get('summary')}")
    words = ["ip", "netns", "exec", "hg", str(spillway.binary()), "explain"]
    nobody = subprocess.run([*words, *flow, "--socket", "/run/spillway/nobody.sock"], capture_output=True, text=True)
    lab.check("no daemon: explain ends with status 1", nobody.returncode == 1 and nobody.stderr, nobody.stderr)
    for wrong in (("udp", CLIENT, "nowhere"), ("udp", f"{CLIENT}:70000", SERVER), ("no-protocol", CLIENT, SERVER),
                  ("udp", CLIENT, SERVER6)):
        done = spillway.command("explain", hg, *wrong)
        lab.check(f"explain {' '.join(wrong)}: no flow, status 2", done.returncode == 2 and done.stderr,
                  f"{done.returncode}: {done.stdout}{done.stderr}"[:300])


def without_lte(lab, network, hg, haap):
    """RFC 8157 §5.2.8: DSL's tunnel does not outlive LTE's by more than the Idle Timeout; then plain DSL."""
    # What an administrator has on such a gateway anyway.
    rules = "table ip admin { chain nat { type nat hook postrouting priority 100; oifname dsl masquerade; }; }\n"
    namespaces.run("hg", "nft", "-f", "-", text=rules)
    capture = Capture("hg", "dsl", lab.out / "without-lte.pcap", snap=128, filter="icmp")
    lab.event("LTE is gone for good")
    network.lte.carrier(False)
    hg.wait_for("DSL alone", uses_only("dsl"))
    begun = time.monotonic()
    lab.check("the tunnel carries", ping("client", SERVER, 3).received == 3)
    ended = lambda status: status["bond"]["state"] == "down"
    hg.wait_for("the bond has ended", ended, seconds=IDLE_TIMEOUT_S * 2)
    lab.near("after the Idle Timeout, s", time.monotonic() - begun, IDLE_TIMEOUT_S, 5)
    haap.wait_for("at both ends", lambda status: not status["bonds"])
    plain = ping("client", SERVER, 3)
    lab.check("plain DSL carries", plain.received == 3, str(plain))
    said = hg.explain("udp", f"{CLIENT}:9", f"{SERVER}:9")
    by_route = (said.get("way"), said.get("route", {}).get("interface"), said.get("bond")) == ("route", "dsl", None)
    lab.check("explain says plain DSL", by_route, str(said)[:500])
    nobody = haap.explain("udp", f"{SERVER}:9", f"{CLIENT}:9")
    lab.check("explain at the aggregator: no bond", nobody.get("way") in ("route", "none"), str(nobody)[:500])
    lab.check("without a tunnel", len(capture.stop().read_bytes()) > 24 + 6 * 100)
    network.lte.carrier(True)
    hg.wait_for("bonded again", is_bonded, seconds=120)
    namespaces.run("hg", "nft", "delete", "table", "ip", "admin")
