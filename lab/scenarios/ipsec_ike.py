"""ESP on both legs keyed by strongSwan: nothing in the clear, keys renewed under traffic (village)."""

from lab import namespaces, spillway, strongswan
from lab.measure import capture, flow, ipsec, state
from lab.measure.ping import ping
from lab.scenarios.ipsec import ESP, GRE
from lab.scenarios.life import settled
from lab.spillway import Spillway, is_bonded, settings, uses_only
from lab.strongswan import StrongSwan
from lab.topology import CLIENT, HAAP, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [
    spillway.binary(), strongswan.CHARON, strongswan.SWANCTL,
    *(strongswan.PLUGINS / f"libstrongswan-{name}.so" for name in strongswan.LOADED.split()),
]
KEYS = {"keys": "ike", "secret": "for the lab"}
# Without a search for LTE's rate, so that whatever is lost is lost for the keys.
POLICE = {"overflow": "police"}

prepare = spillway.prepare


def run(lab):
    namespaces.run(None, "modprobe", "-q", "aesni_intel", check=False)
    with Topology.load("village") as network:
        before = {host: settled(lab, host) for host in ("hg", "haap")}
        haap = Spillway(lab, "haap", settings("haap", network, ipsec=KEYS, colour=POLICE))
        hg = Spillway(lab, "hg", settings("hg", network, ipsec=KEYS, colour=POLICE))
        wires = {each: capture.Capture("hg", each, lab.out / f"{each}.pcap", snap=64) for each in ("dsl", "lte")}
        with haap, hg:
            # Without keys there is nothing: not even a Setup Request.
            lab.wait("the policies are there", lambda: "proto gre" in namespaces.run("hg", "ip", "xfrm", "policy"))
            asked = lambda status: any(each["event"] == "setup-requested" for each in status["events"])
            hg.wait_for("asks for a leg", asked)
            lab.check("without keys no leg is up", ping("hg", HAAP, 3).received == 3 and uses_none(hg.status()))
            with StrongSwan(lab, haap) as server, StrongSwan(lab, hg) as client:
                hg.wait_for("bonded", is_bonded)
                lab.wait("the bond carries", lambda: ping("client", SERVER, 1).received)
                renewed(lab, hg, client)
                ended(lab, hg, client)
                lab.check("charon at the aggregator heard both legs", server.log().count("CHILD_SA spillway-ipv4") >= 2)
            hg.wait_for("without charon no leg is up", uses_none, seconds=60)
        for leg, running in wires.items():
            seen = {packet.protocol for packet in capture.packets(running.stop())}
            lab.check(f"no GRE in the clear on {leg}", GRE not in seen and ESP in seen, str(seen))
        for host in ("hg", "haap"):
            # Charon has taken its states along; the kernel forgets by itself what it asked for.
            lab.wait(f"{host}: no states", lambda: not namespaces.run(host, "ip", "xfrm", "state"), seconds=200)
            left = state.difference(before[host], settled(lab, host))
            lab.check(f"{host}: nothing is left after an orderly end", not left, "; ".join(left)[:1500])


def uses_none(status: dict) -> bool:
    bond = status["bond"]
    return bond is None or all(leg["state"] != "up" for leg in bond["legs"].values())


def spis() -> set[str]:
    return {each.spi for each in ipsec.states("hg")}


def renewed(lab, hg, client):
    """New keys for both legs while packets flow: none of them is lost for it."""
    before = spis()
    lab.check("two states a leg", len(before) == 4, str(before))
    # More than DSL carries, less than both.
    ways = [flow.UDP("client", "server", SERVER, 6, mbit=12), flow.UDP("server", "client", CLIENT, 6, mbit=12)]
    for leg in ("dsl", "lte"):
        client.command("--rekey", "--child", f"spillway-{leg}")
    for way, one in zip(("up", "down"), ways):
        got = one.result()
        lab.check(f"{way}: nothing is lost while keys are renewed", got.lost == 0, f"{got.lost} of {got.sent}")
        lab.figure(f"{way}_datagrams_while_renewed", got.received)
    lab.wait("new keys, and the old ones gone", lambda: len(spis()) == 4 and not spis() & before)
    errors = hg.status()["ipsec"]["errors"]
    wrong = {"XfrmInNoStates", "XfrmInStateMismatch", "XfrmInTmplMismatch", "XfrmAcquireError"} & set(errors)
    lab.check("nothing was refused", not wrong, str(errors))


def ended(lab, hg, client):
    """A leg whose keys are taken back carries nothing until it has new ones."""
    client.command("--terminate", "--ike", "spillway-dsl")
    wire = capture.Capture("hg", "dsl", lab.out / "without-keys.pcap", snap=64, filter="ip proto 47 or esp")
    hg.wait_for("uses only lte", uses_only("lte"))
    lab.check("the other leg carries on", ping("client", SERVER, 5).received == 5)
    packets = [each for each in capture.packets(wire.stop()) if each.source == "10.1.0.2"]
    lab.check("a leg without keys carries nothing", not packets, str(packets)[:300])
    client.command("--initiate", "--child", "spillway-dsl")
    hg.wait_for("bonded again", is_bonded, seconds=120)
