"""Addresses over the bond: DHCP and prefix delegation from the first lease to the last, with all that is theirs (village)."""

import contextlib
import ipaddress
import json
import pathlib
import socket
import time

from lab import namespaces, resolver, spillway
from lab.measure import control, leases, state
from lab.measure.capture import Capture, packets
from lab.measure.frames import Probe, ip_packet
from lab.measure.ping import ping
from lab.spillway import CIN, Spillway, is_bonded, settings, uses_only
from lab.topology import HAAP, SERVER, SERVER6, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary(), resolver.PROGRAM]
LEASE_S = 60
# Two addresses and two prefixes are all there is.
POOL = {"name": "homes", "addresses": ["100.72.0.0/30"], "prefixes": ["2001:db8:100::/55"]}
NETWORK, NETWORK6 = ipaddress.ip_network("100.72.0.0/30"), ipaddress.ip_network("2001:db8:100::/55")
OWN, OWN6 = "198.51.100.77", "2001:db8:99::/56"

prepare = spillway.prepare


def run(lab):
    rates = {"dsl_upstream": "8 Mbit/s", "dsl_downstream": "8 Mbit/s", "lte_downstream": "16 Mbit/s"}
    subscribers = [{"cin": name, "pool": "homes", **rates} for name in (CIN, "second", "third")]
    subscribers += [{"cin": "own", "address": OWN, "prefix": OWN6, **rates}]
    dhcp = {"lease_time": f"{LEASE_S} s", "dns": ["192.0.2.53", "2001:db8::53"], "domain": "example.net", "mtu": "auto"}
    with Topology.load("village") as network, contextlib.ExitStack() as stack:
        haap = Spillway(lab, "haap", settings("haap", network, dhcp=dhcp, pool=[POOL], subscriber=subscribers))
        hg = Spillway(lab, "hg", settings("hg", network, tunnel={"masquerade": True}))
        # Nothing of the client's is configured.
        namespaces.run("client", "ip", "-6", "address", "flush", "dev", "c0", "scope", "global")
        namespaces.run("client", "ip", "-6", "route", "del", "default")
        captures = {
            leg.name: stack.enter_context(
                Capture("hg", leg.name, lab.out / f"dhcp-{leg.name}.pcap", snap=2000, filter="proto 47"))
            for leg in network.legs
        }
        lab.dhcp += [{"file": each.file.name} for each in captures.values()]
        network.dsl.carrier(False)
        before = leases.addresses("hg")
        with haap, hg:
            address, prefix = first(lab, network, hg, haap, stack, before, captures)
            renewed(lab, hg, address, prefix)
            expired(lab, hg, haap, address, prefix)
            forged(lab, haap)
            restarts(lab, network, hg, haap, address, prefix, captures)
            exhausted(lab, hg, haap)
            own(lab, hg)


# What the ends say and what their kernels have.

def given(status) -> str | None:
    return status.get("addresses", {}).get("dhcp4", {}).get("address")


def delegated(status) -> str | None:
    return next(iter(status.get("addresses", {}).get("dhcp6", {}).get("prefixes", [])), None)


def has_both(status) -> bool:
    return bool(given(status) and delegated(status))


def on(host: str, device: str, family: int) -> list[dict]:
    """Global addresses of a device."""
    listed = namespaces.run(host, "ip", "-j", f"-{family}", "address", "show", "dev", device, check=False)
    found = json.loads(listed or "[]")
    return [each for link in found for each in link.get("addr_info", []) if each.get("scope") == "global"]


def routes(host: str, family: int, *words) -> list[dict]:
    return json.loads(namespaces.run(host, "ip", "-j", f"-{family}", "route", "show", *words) or "[]")


def counter(host: str) -> int:
    return state.counter(host, "inet spillway_source", "forged")


def first(lab, network, hg, haap, stack, before, captures):
    """LTE alone brings addresses, to the LAN too; then comes DSL."""
    status = hg.wait_for("has its addresses", has_both)
    lab.check("LTE alone is up", uses_only("lte")(status))
    address, prefix = given(status), delegated(status)
    leases.only_by_lte(lab, before, address, prefix, {name: each.file for name, each in captures.items()})
    lab.check("both are of the pool", ipaddress.ip_address(address) in NETWORK
              and ipaddress.ip_network(prefix).subnet_of(NETWORK6), f"{address}, {prefix}")
    lab.check("the device has the address", [(each["local"], each["prefixlen"]) for each in on("hg", "bond0", 4)]
              == [(address, 32)])
    router = str(ipaddress.ip_network(prefix)[1])
    lab.check("the LAN has the first /64", [(each["local"], each["prefixlen"]) for each in on("hg", "lan", 6)]
              == [(router, 64)], str(on("hg", "lan", 6)))
    rest = [each["type"] for each in routes("hg", 6, "type", "unreachable") if each["dst"] == prefix]
    lab.check("the rest of the prefix is unreachable", rest == ["unreachable"], str(rest))
    ways = [each["dst"] for family in (4, 6) for each in routes("haap", family, "dev", "bond0", "proto", "157")]
    lab.check("the aggregator routes both to the bond", {address, prefix} <= set(ways), str(ways))
    nobody = [each["dst"] for family in (4, 6) for each in routes("haap", family, "type", "unreachable", "proto", "157")]
    lab.check("the rest of the pool is unreachable", set(nobody) == {str(NETWORK), str(NETWORK6)}, str(nobody))
    told = haap.wait_for("hears of the prefix", lambda status: status["bonds"][0].get("host_prefix") == prefix)
    lab.check("Notify 21 told the prefix", told["bonds"][0]["host_prefix"] == prefix)
    mtu = {host: json.loads(namespaces.run(host, "ip", "-j", "link", "show", "bond0"))[0]["mtu"] for host in ("hg", "haap")}
    lab.check("option 26 is the aggregator's MTU, and the gateway keeps to it",
              status["addresses"]["dhcp4"]["mtu"] == mtu["haap"] >= mtu["hg"], str(mtu))
    told = pathlib.Path("/run/spillway/resolv.conf").read_text().splitlines()[1:]
    lab.check("name servers and domain", told
              == ["nameserver 192.0.2.53", "nameserver 2001:db8::53", "search example.net"], str(told))
    advertise(lab, stack)
    mine = lab.wait("the client has an address by router advertisement", lambda: [
        each["local"] for each in on("client", "c0", 6) if ipaddress.ip_address(each["local"]) in ipaddress.ip_network(prefix)
        and not each.get("tentative")])[0]
    with Capture("server", "s0", lab.out / "server.pcap", filter="icmp or icmp6") as heard:
        for family, target in ((4, SERVER), (6, SERVER6)):
            echo = ping("client", target, 3)
            lab.check(f"IPv{family} end to end", echo.received == 3, f"{echo.received} of 3")
        file = heard.stop()
    seen = {each.source for each in packets(file)}
    lab.check("the server sees the lease, and the client's own address", {address, ipaddress.ip_address(mine).packed.hex()} <= seen, str(seen))
    network.dsl.carrier(True)
    hg.wait_for("bonded", is_bonded)
    lab.check("both ends up: the address is the same", given(hg.status()) == address)
    return address, prefix


def advertise(lab, stack) -> None:
    """Debian's dnsmasq tells the LAN of whatever prefix its device has."""
    command = [resolver.PROGRAM, "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file=",
               "--log-facility=-", "--log-dhcp", "--interface=lan", "--bind-dynamic", "--enable-ra",
               "--dhcp-range=::,constructor:lan,ra-only,10m", "--ra-param=lan,10,1800"]
    log = stack.enter_context(open(lab.out / "dnsmasq.log", "wb"))
    process = namespaces.start("hg", *command, stdout=log, stderr=log)
    stack.callback(process.wait)
    stack.callback(process.kill)


def left(hg) -> tuple[int, int]:
    """Seconds until the leases end."""
    told = hg.status()["addresses"]
    return told["dhcp4"].get("expires_in_s", 0), told["dhcp6"].get("expires_in_s", 0)


def renewed(lab, hg, address, prefix):
    time.sleep(LEASE_S * 0.7)
    status = hg.status()
    lab.check("renewed: the leases have begun anew", min(left(hg)) > LEASE_S / 3, str(left(hg)))
    lab.check("renewed: nothing has changed", (given(status), delegated(status)) == (address, prefix))


def expired(lab, hg, haap, address, prefix):
    """Without answers to renewals clients ask anybody; without any answer everything ends."""
    table = "table inet lab { chain input { type filter hook input priority 0; %s }; }"
    with nft("haap", table % f"ip daddr {HAAP} udp dport 67 counter drop; udp dport 547 @th,64,8 5 counter drop;"):
        # T2 is at seven eighths of the lease, of the prefix at four fifths of its preferred half.
        time.sleep(LEASE_S)
        lab.check("rebound: anybody was asked", {"dhcp4", "dhcp6"} <= rebound(lab), str(rebound(lab)))
        lab.check("rebound: the leases have begun anew", min(left(hg)) > LEASE_S / 3, str(left(hg)))
        lab.check("rebound: nothing has changed", (given(hg.status()), delegated(hg.status())) == (address, prefix))
    with nft("haap", table % "udp dport { 67, 547 } counter drop;"):
        lab.wait("the LAN's address is deprecated before it ends",
                 lambda: any(each.get("deprecated") for each in on("hg", "lan", 6)), seconds=LEASE_S, interval=0.5)
        patient(lab, hg, "has no address any more", lambda status: not given(status) and not delegated(status), LEASE_S)
        lab.check("expired: the device has no address", not on("hg", "bond0", 4), str(on("hg", "bond0", 4)))
        lab.check("expired: the LAN has no address", not on("hg", "lan", 6), str(on("hg", "lan", 6)))
        haap.wait_for("hears that there is no prefix", lambda status: "host_prefix" not in status["bonds"][0])
        lab.wait("the aggregator's leases end too", lambda: haap.status()["addresses"]["dhcp4"]["leases"] == 0,
                 seconds=LEASE_S, interval=1)
        ways = [each["dst"] for family in (4, 6) for each in routes("haap", family, "dev", "bond0", "proto", "157")]
        lab.check("expired: the aggregator has no routes to the bond", not {address, prefix} & set(ways), str(ways))
    status = patient(lab, hg, "has addresses again", has_both, 200)
    lab.check("what was had before comes back", (given(status), delegated(status)) == (address, prefix))


def patient(lab, daemon, what: str, condition, seconds: float) -> dict:
    """For what takes long: each look at the status costs time of this machine."""
    def met():
        status = daemon.status()
        return status if status and condition(status) else None

    return lab.wait(f"{daemon.host}: {what}", met, seconds, interval=1)


def rebound(lab) -> set[str]:
    """Families of which the captures have a rebinding."""
    found = [each for name in ("lte", "dsl") for each in leases.messages(lab.out / f"dhcp-{name}.pcap")]
    bound = min(each.time for each in found if each.kind == "ACK")
    asked = {"dhcp6" for each in found if each.kind == "REBIND"}
    return asked | {
        "dhcp4" for each in found
        if each.kind == "REQUEST" and each.destination == "255.255.255.255" and each.time > bound
    }


@contextlib.contextmanager
def nft(host: str, table: str):
    namespaces.run(host, "nft", "-f", "-", text=table)
    try:
        yield
    finally:
        namespaces.run(host, "nft", "delete", "table", "inet", "lab")


def forged(lab, haap):
    """Sources that are not the subscriber's: of nobody, and of another bond's pool."""
    before, count = counter("haap"), 5
    with Capture("haap", "wan", lab.out / "forged.pcap", filter="udp port 9") as heard, namespaces.inside("hg"):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        for source in ("198.51.100.7", "100.72.0.3", "2001:db8:bad::7", "2001:db8:100:1ff::7"):
            version, kind = (4, 0x0800) if "." in source else (6, 0x86DD)
            packet = ip_packet(Probe("forged", version, source, dport=9))
            for _ in range(count):
                raw.sendto(packet, ("bond0", kind))
        raw.close()
        lab.wait("the aggregator counted them", lambda: counter("haap") - before >= 4 * count)
        file = heard.stop()
    lab.check("forged: each is counted", counter("haap") - before == 4 * count, str(counter("haap") - before))
    lab.check("forged: the status says so", haap.status()["forged_sources"] == counter("haap"))
    lab.check("forged: none went on", not list(packets(file)))


def restarts(lab, network, hg, haap, address, prefix, captures):
    """Both ends, one after the other; what was had is had again."""
    session = hg.status()["bond"]["session_id"]
    haap.kill()
    haap.forget()
    file = pathlib.Path(haap.value["state"]["directory"]) / "leases4"
    with open(file, "a") as damaged:
        damaged.write("lease \0 half a li")
    haap.start()
    # The gateway hears of it when it next says something.
    hg.wait_for("has another session", lambda status: status["bond"].get("session_id", session) != session)
    again(lab, hg, "aggregator killed", address, prefix)
    lab.check("the damaged line was left out", haap.status()["addresses"]["dhcp4"]["rejected_lines"] == 1)
    begun = time.time()
    hg.kill()
    hg.forget()
    hg.start()
    again(lab, hg, "gateway killed", address, prefix)
    # The kernel hands captured packets over a second late.
    time.sleep(1.5)
    found = [each for each in leases.messages(captures["lte"].file) if each.time > begun]
    acknowledged = next((each.time for each in found if each.kind == "ACK"), None)
    asked = [each.time for each in control.messages(captures["dsl"].file)
             if each.time > begun and each.type == control.SETUP_REQUEST]
    lab.check("the address came before DSL was asked for", acknowledged is not None and asked and acknowledged < min(asked),
              f"{acknowledged}, {asked[:1]}")
    kinds = [each.kind for each in found]
    lab.check("it asked for what it had, without a discovery", "DISCOVER" not in kinds and "SOLICIT" not in kinds, str(kinds[:8]))
    lab.check("the LAN's address is there once", len(on("hg", "lan", 6)) == 1, str(on("hg", "lan", 6)))
    hg.stop()
    lab.check("stopped: the LAN has no address", not on("hg", "lan", 6), str(on("hg", "lan", 6)))
    lab.check("stopped: no name servers", not pathlib.Path("/run/spillway/resolv.conf").exists())
    lab.check("stopped: both leases were released", lease_counts(haap) == (0, 0), str(lease_counts(haap)))
    hg.start()
    again(lab, hg, "gateway stopped", address, prefix)


def lease_counts(haap) -> tuple[int, int]:
    told = haap.status()["addresses"]
    return told["dhcp4"]["leases"], told["dhcp6"]["leases"]


def again(lab, hg, what: str, address, prefix) -> None:
    hg.wait_for("bonded again", is_bonded, seconds=200)
    status = hg.wait_for("has its addresses", has_both, seconds=200)
    lab.check(f"{what}: the same address and prefix", (given(status), delegated(status)) == (address, prefix),
              f"{given(status)}, {delegated(status)}")


def exhausted(lab, hg, haap):
    """Three subscribers, two addresses. Gateways that were killed have released nothing."""
    become(hg, "second")
    hg.wait_for("has its addresses", has_both)
    become(hg, "third")
    haap.wait_for("has nothing left", lambda status: status["addresses"]["dhcp4"]["discarded"].get("exhausted", 0) > 0)
    patient(lab, hg, "bonded without an address", is_bonded, 60)
    lab.check("exhausted: no address, no prefix", not given(hg.status()) and not delegated(hg.status()))
    patient(lab, hg, "has what became free", has_both, 4 * LEASE_S)


def own(lab, hg):
    """A subscriber's own, whatever the pools have."""
    become(hg, "own")
    status = hg.wait_for("has its addresses", has_both)
    lab.check("a subscriber's own", (given(status), delegated(status)) == (OWN, OWN6), f"{given(status)}, {delegated(status)}")
    lab.check("nothing of another's is left on the LAN", [each["local"] for each in on("hg", "lan", 6)] == ["2001:db8:99::1"],
              str(on("hg", "lan", 6)))


def become(hg, cin: str) -> None:
    """The same host, killed, comes back as somebody else, who remembers nothing."""
    hg.kill()
    for file in pathlib.Path(hg.value["state"]["directory"]).glob("*"):
        file.unlink()
    hg.configure(hg.value | {"cin": cin})
    hg.start()
