"""RADIUS says who may bond and is told what bonds carry; servers fail, change bonds and end them; kill -9 (village)."""

import collections
import json
import re
import struct
import subprocess
import time

from lab import freeradius, namespaces, spillway
from lab.freeradius import FreeRADIUS
from lab.measure import control, flow, legs
from lab.measure.capture import Capture
from lab.measure.ping import Pinger
from lab.spillway import CIN, INNER, INNER6, Spillway, is_bonded, settings
from lab.topology import CLIENT, LAN, LAN6, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary(), *freeradius.FILES]
NAS = "203.0.113.1"
FIRST, SECOND = SERVER, "203.0.113.3"
# The rate can be read back from `tc`.
POLICE = {"overflow": "police"}
DOWN, UP, CHANGED = 6000, 5000, 3000

USERS = f"""
{CIN} Cleartext-Password := "{CIN}"
	Framed-IP-Address = {INNER},
	Framed-Route += "{LAN} 0.0.0.0 1",
	Framed-IPv6-Address = {INNER6},
	Framed-IPv6-Route += "{LAN6} :: 1",
	Filter-Id = "short",
	Spillway-DSL-Upstream-Rate = {UP},
	Spillway-DSL-Downstream-Rate = {DOWN},
	Spillway-LTE-Downstream-Rate = 16000,
	Spillway-RTT-Threshold = 700,
	Acct-Interim-Interval = 60,
	Class = 0x736f6d65

barred Auth-Type := Reject
	Spillway-Error-Code = 6,
	Reply-Message = "has not paid"
"""

# Counts what leaves from the port of Dynamic Authorization: who does not know the secret cannot tell an answer from none.
ANSWERS = """
table inet lab {
	counter answers { }
	chain output { type filter hook output priority 0; udp sport 3799 counter name answers; }
}
"""

LISTS = [
    {"name": "short", "item": [{"destination_ip": "192.0.2.7"}]},
    {"name": "long", "item": [{"destination_ip": f"192.0.2.{n}"} for n in range(3)]},
]


def prepare() -> None:
    spillway.prepare()
    freeradius.prepare()


def run(lab):
    with Topology.load("village") as network:
        places = {"first": FIRST, "second": SECOND}
        servers = [FreeRADIUS(lab, name, address, NAS, USERS) for name, address in places.items()]
        for each in servers:
            each.start()
        (lab.out / "secret").write_text(freeradius.SECRET + "\n")
        (lab.out / "secret").chmod(0o600)
        radius = {
            "source": NAS, "nas_identifier": "haap-lab", "dynamic_authorization": True,
            "server": [{"address": each.address, "secret_file": str(lab.out / "secret")} for each in servers],
        }
        more = {"radius": radius, "subscriber": [], "filter_list": LISTS, "colour": POLICE}
        haap = Spillway(lab, "haap", settings("haap", network, **more))
        with haap:
            refused(lab, network, haap)
            value = settings("hg", network, colour=POLICE)
            # What the line has upstream is the server's to say.
            del value["dsl"]["upstream"]
            hg = Spillway(lab, "hg", value)
            with hg:
                granted(lab, network, hg, haap, servers[0])
                interim(lab, hg, servers[0])
                namespaces.run("haap", "nft", "-f", "-", text=ANSWERS)
                changed(lab, hg, haap, servers[0])
                forged(lab, haap, servers[0])
                disconnected(lab, network, hg, haap, servers[0])
                failover(lab, network, hg, haap, servers)
        stopped(lab, servers)
        secrets(lab, haap)
        for each in servers:
            each.kill()


def codes(files, kind: int, tunnel: int | None = None) -> list[int]:
    """Error codes that gateways were told."""
    found = [each for file in files for each in control.messages(file) if each.type == kind]
    return [
        struct.unpack("!I", each.value(control.ERROR_CODE))[0] for each in found if tunnel in (None, each.tunnel)]


def captures(lab, network, name: str):
    return [
        Capture("hg", leg.name, lab.out / f"{name}-{leg.name}.pcap", snap=256, filter="proto 47")
        for leg in network.legs
    ]


def refused(lab, network, haap):
    """A stranger, and one whom the server bars for a reason of its own."""
    for who, wanted in (("stranger", 9), ("barred", 6)):
        hg = Spillway(lab, "hg", settings("hg", network, cin=who))
        hg.log_file = lab.out / f"hg-{who}.log"
        wires = captures(lab, network, who)
        with hg:
            lab.wait(f"{who} is refused", lambda: "setup-denied" in hg.log())
        told = codes([each.stop() for each in wires], control.SETUP_DENY)
        lab.check(f"{who}: Deny with code {wanted}", told and set(told) == {wanted}, str(told))
    status = haap.status()
    lab.check("no bond, and counted", not status["bonds"] and status["radius"]["rejected"] >= 2, str(status["radius"]))


def granted(lab, network, hg, haap, server):
    """What the server grants is in the kernel and at the gateway."""
    hg.wait_for("bonded", is_bonded)
    haap.wait_for("bonded", is_bonded)
    lab.near("haap: committed as granted, Mbit/s", legs.police_mbit("haap"), DOWN * 0.99e-3, 0.5)
    lab.near("hg: committed as granted, Mbit/s", legs.police_mbit("hg"), UP * 0.99e-3, 0.5)
    routes = json.loads(namespaces.run("haap", "ip", "-j", "route", "show", "dev", "bond0"))
    routes += json.loads(namespaces.run("haap", "ip", "-j", "-6", "route", "show", "dev", "bond0"))
    present = {each["dst"] for each in routes}
    lab.check("what is granted is routed to the bond", {INNER, LAN, INNER6, LAN6} <= present, str(present))
    hg.wait_for("has the filter list", lambda status: status["bond"].get("filter_items") == 1)
    status = hg.wait_for("has its address", lambda status: status["addresses"].get("address"))
    lab.check("the gateway is leased what is granted", status["addresses"]["dhcp4"]["address"] == INNER)
    got = flow.tcp("client", "server", SERVER, 1, reverse=True, omit=1)
    lab.at_least("and it carries, Mbit/s", got.mbit, 5)
    starts = server.records("Start")
    told = starts[0] if starts else {}
    wanted = {
        "User-Name": CIN, "NAS-Identifier": "haap-lab", "NAS-IP-Address": NAS, "Framed-IP-Address": INNER,
        "Calling-Station-Id": network.lte.hg_address, "Class": "0x736f6d65",
    }
    lab.check("one Start", len(starts) == 1 and wanted.items() <= told.items(), str(starts))
    lab.check("Accounting-On before it", len(server.records("Accounting-On")) == 1)


def octets(record: dict[str, str]) -> dict[tuple[str, str], int]:
    """What a record says of each leg."""
    def value(name: str) -> int:
        return int(record[f"Spillway-{name}-Octets"]) + (int(record[f"Spillway-{name}-Gigawords"]) << 32)

    ways = (("in", "Input"), ("out", "Output"))
    return {(leg, way): value(f"{leg}-{name}") for leg in ("DSL", "LTE") for way, name in ways}


def kernel() -> dict[tuple[str, str], int]:
    """The same as nftables counts it now."""
    found = {}
    for leg in ("DSL", "LTE"):
        for way, name in (("in", "peers"), ("out", "to")):
            text = namespaces.run("haap", "nft", "list", "map", "ip", "spillway", f"{leg.lower()}_{name}")
            found[leg, way] = int(re.search(r"counter packets \d+ bytes (\d+)", text)[1])
    return found


def interim(lab, hg, server):
    """Without traffic, what an Interim says is what the kernel has."""
    lab.wait("an Interim", lambda: server.records("Interim-Update"), seconds=90, interval=1)
    told, counted = octets(server.records("Interim-Update")[-1]), kernel()
    lab.check("Interim: octets of each leg are the kernel's", told == counted, f"{told} {counted}")
    # A download: what goes up is next to nothing on LTE.
    lab.check("Interim: both legs carried", all(told[leg, "out"] > 100_000 for leg in ("DSL", "LTE")), str(told))
    sums = server.records("Interim-Update")[-1]
    total = [sum(value for (_, each), value in told.items() if each == way) for way in ("in", "out")]
    lab.check(
        "Interim: the sum is the sum", total == [int(sums["Acct-Input-Octets"]), int(sums["Acct-Output-Octets"])])


def changed(lab, hg, haap, server):
    """Change-of-Authorization: the rate in the kernel, the gateway's filter list."""
    before = answers()
    session = server.records("Start")[-1]["Acct-Session-Id"]
    change = f"Acct-Session-Id={session}\nSpillway-DSL-Downstream-Rate={CHANGED}\nFilter-Id=long"
    said = server.ask("coa", change, NAS)
    lab.check("CoA is acknowledged", "CoA-ACK" in said, said)
    lab.near("CoA: committed, Mbit/s", legs.police_mbit("haap"), CHANGED * 0.99e-3, 0.5)
    hg.wait_for("has the other filter list", lambda status: status["bond"].get("filter_items") == 3)
    for what, attributes, cause in (
        ("an unknown session", "Acct-Session-Id=0000000000000000\nSpillway-DSL-Downstream-Rate=1000", 503),
        ("an unknown list", f"Acct-Session-Id={session}\nFilter-Id=none", 407),
        ("what cannot be changed", f"Acct-Session-Id={session}\nSpillway-RTT-Threshold=1", 401),
        ("another NAS", f"Acct-Session-Id={session}\nNAS-Identifier=other\nFilter-Id=short", 403),
    ):
        said = server.ask("coa", attributes, NAS)
        lab.check(f"CoA for {what} is refused", "CoA-NAK" in said and CAUSES[cause] in said, said)
    lab.near("and changes nothing, Mbit/s", legs.police_mbit("haap"), CHANGED * 0.99e-3, 0.5)
    lab.check("CoA: five answers", answers() - before == 5, str(answers() - before))


def answers() -> int:
    return int(re.search(r"packets (\d+)", namespaces.run("haap", "nft", "list", "counter", "inet", "lab", "answers"))[1])


CAUSES = {
    401: "Unsupported-Attribute", 403: "NAS-Identification-Mismatch", 407: "Invalid-Attribute-Value",
    503: "Session-Context-Not-Found",
}


def forged(lab, haap, server):
    """From whom does not know the secret, or from where no server is."""
    before, answered = haap.status()["radius"]["discarded"], answers()
    forgery = f"User-Name={CIN}\nSpillway-DSL-Downstream-Rate=100"
    server.ask("coa", forgery, NAS, secret="guessed")
    server.ask("disconnect", f"User-Name={CIN}", NAS, secret="guessed")
    # The access router has an address that is no server's.
    server.ask("coa", forgery, NAS, host="dsl")
    lab.check("forged: not answered", answers() == answered, f"{answers() - answered} answers")
    status = haap.status()
    after = status["radius"]["discarded"]
    more = {reason: after.get(reason, 0) - before.get(reason, 0) for reason in ("bad_authenticator", "unknown_source")}
    lab.check("forged: counted by reason", more == {"bad_authenticator": 2, "unknown_source": 1}, str(after))
    lab.near("forged: nothing changes, Mbit/s", legs.police_mbit("haap"), CHANGED * 0.99e-3, 0.5)
    lab.check("forged: the bond lives", is_bonded(status))


def disconnected(lab, network, hg, haap, server):
    """LTE is lost, the aggregation point killed and started again, LTE comes back, and the bond ends in the middle of
    its traffic; the Stop has all that the kernel ever counted."""
    witness = namespaces.start("haap", "nft", "monitor", "elements", stdout=subprocess.PIPE, text=True)
    for each in floods(1):
        each.result()
    network.lte.carrier(False)
    haap.wait_for("DSL alone", spillway.uses_only("dsl"))
    killed(lab, hg, haap, server)
    network.lte.carrier(True)
    hg.wait_for("bonded again", is_bonded)
    running = floods(6)
    time.sleep(1)
    session = server.records("Start")[-1]["Acct-Session-Id"]
    wires = Capture("hg", "lte", lab.out / "disconnected.pcap", snap=256, filter="proto 47 and ip[22:2] == 0xb7ea")
    stops = len(server.records("Stop"))
    said = server.ask("disconnect", f"Acct-Session-Id={session}", NAS)
    lab.check("Disconnect is acknowledged", "Disconnect-ACK" in said, said)
    lab.wait("a Stop", lambda: len(server.records("Stop")) > stops, seconds=20)
    lab.wait("hg: the bond has ended", lambda: "bond-down" in hg.log(), seconds=10)
    for each in running:
        each.stop()
    for each in running:
        each.result()
    witness.terminate()
    last = collections.Counter()
    for line in witness.communicate(timeout=30)[0].splitlines():
        found = re.search(r"delete element ip spillway (dsl|lte)_(peers|to) .*counter packets \d+ bytes (\d+)", line)
        if found:
            last[found[1].upper(), "in" if found[2] == "peers" else "out"] += int(found[3])
    record = server.records("Stop")[-1]
    told = octets(record)
    exact = told == last and len(last) == 4
    lab.check("Stop: octets of each leg are all that the kernel counted", exact, f"{told} {last}")
    lab.check("Stop: there was traffic on both legs", all(value > 300_000 for value in told.values()), str(told))
    lab.check("Stop: why", record["Acct-Terminate-Cause"] == "Admin-Reset" and record["Acct-Session-Id"] == session)
    told = codes([wires.stop()], control.TEAR_DOWN)
    lab.check("a Tear Down ended it", 10 in told, str(told))
    for (leg, way), value in octets(record).items():
        lab.figure(f"{leg.lower()}_{way}_octets", value)
    hg.wait_for("bonded anew", is_bonded, seconds=60)
    lab.check("another Start", len({each["Acct-Session-Id"] for each in server.records("Start")}) == 2)


def floods(seconds: float) -> list[flow.UDP]:
    """More than DSL carries, both ways."""
    return [
        flow.UDP("client", "server", SERVER, seconds, mbit=9, size=1200, port=5301),
        flow.UDP("server", "client", CLIENT, seconds, mbit=9, size=1200, port=5302),
    ]


def killed(lab, hg, haap, server):
    """kill -9 of the aggregation point, and a start: the session goes on with what servers granted and changed, and
    they hear nothing of it."""
    session, told = hg.status()["bond"]["session_id"], len(server.records())
    accepted = haap.status()["radius"]["accepted"]
    echoes = Pinger("client", SERVER, 600, interval=0.005)
    time.sleep(0.5)
    haap.kill()
    time.sleep(1)
    haap.start()
    status = haap.wait_for("DSL alone", spillway.uses_only("dsl"))
    got = echoes.result()
    lab.check("killed: no echo is lost", got.received == got.sent == 600, f"{got.received} of {got.sent}")
    same = hg.status()["bond"]["session_id"] == session == status["bonds"][0]["session_id"]
    lab.check("killed: the same session", same)
    asked = status["radius"]["accepted"]
    lab.check("killed: no server is asked again", accepted > 0 and asked == 0, str(status["radius"]))
    more = [each for each in server.records()[told:] if each["Acct-Status-Type"] != "Interim-Update"]
    lab.check("killed: servers hear nothing of it", not more, str(more))
    lab.near("killed: what a server changed holds, Mbit/s", legs.police_mbit("haap"), CHANGED * 0.99e-3, 0.5)
    name = server.records("Start")[-1]["Acct-Session-Id"]
    said = server.ask("coa", f"Acct-Session-Id={name}\nSpillway-RTT-Threshold=1", NAS)
    lab.check("killed: the session has its name", "CoA-NAK" in said and CAUSES[401] in said, said)


def failover(lab, network, hg, haap, servers):
    """One server dies, then the other, then both return."""
    first, second = servers
    first.kill()
    begun = time.monotonic()
    hg.stop()
    hg.start()
    hg.wait_for("bonded by the second server", is_bonded, seconds=60)
    lab.figure("failover_s", time.monotonic() - begun)
    lab.wait("its accounting goes there, too", lambda: second.records("Start"), seconds=60)
    state = [each["dead"] for each in haap.status()["radius"]["authentication"]]
    lab.check("the first is held to be dead", state == [True, False], str(state))
    # A leg that comes while nobody answers: code 12; the bond goes on with the other leg.
    wires = captures(lab, network, "nobody")
    network.dsl.carrier(False)
    hg.wait_for("LTE alone", spillway.uses_only("lte"))
    second.kill()
    network.dsl.carrier(True)
    lab.wait("DSL is refused", lambda: hg.log().count("setup-denied") > 0, seconds=60)
    lab.check("the bond goes on", spillway.uses_only("lte")(hg.status()))
    hg.stop()
    hg.start()
    denied = hg.log().count("setup-denied")
    lab.wait("LTE is refused", lambda: hg.log().count("setup-denied") > denied, seconds=60)
    files = [each.stop() for each in wires]
    told = [set(codes(files, control.SETUP_DENY, tunnel)) for tunnel in (1, 2)]
    lab.check("nobody answers: code 12 for DSL, 11 for LTE", told == [{12}, {11}], str(told))
    records = haap.status()["radius"]["records"]
    lab.check("records wait", records["waiting"] + records["in_flight"] >= 1 and records["dropped"] == 0, str(records))
    first.start()
    hg.wait_for("bonded when a server is back", is_bonded, seconds=180)
    lab.wait("what waited is told", lambda: len(first.records("Stop")) >= 2, seconds=60)
    late = first.records("Stop")[1]
    lab.check("with the time it waited", int(late["Acct-Delay-Time"]) > 0, str(late))


def stopped(lab, servers):
    """The daemon has ended in an orderly way. Of a bond that began with one server another may have heard the end."""
    lab.check("Accounting-Off", len(servers[0].records("Accounting-Off")) == 1)
    starts, stops = (
        sorted(record["Acct-Session-Id"] for each in servers for record in each.records(kind))
        for kind in ("Start", "Stop")
    )
    told = starts == stops and len(starts) == 4
    lab.check("each bond began once and ended once", told, f"{starts} {stops}")


def secrets(lab, haap):
    lab.check("no secret in the log", freeradius.SECRET not in haap.log())
