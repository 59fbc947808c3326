"""What people use to carry by both legs at once: kernel GRE with overflow, the bonding driver, MPTCP from end to end.

Each is a context in which it carries. None of them puts packets in order; GRE and bonding take what is sent as it is
(packets of the MTU: a packet of segmentation offload would take one leg as a whole), so both ends send without offload.
"""

import contextlib
import pathlib
import subprocess

from lab.namespaces import run
from lab.peers import DEVICE, ENDS, removed
from lab.topology import ETHERNET_HEADER, FULL_FRAME, HAAP, LAN, SERVER, Topology

PACKAGES = ("mptcpize",)
# What runs a program with MPTCP sockets instead of TCP's, and the library that does it.
MPTCPIZE = (pathlib.Path("/usr/bin/mptcpize"), pathlib.Path("/usr/lib/x86_64-linux-gnu/mptcpize/libmptcpwrap.so.0.0.1"))
MODULES = "ip_gre bonding sch_ingress cls_matchall act_police act_mirred"
# Bytes that a packet gets: IP and GRE without key and sequence; with an Ethernet header inside for gretap.
GRE, GRETAP = 24, 24 + ETHERNET_HEADER
DEVICES = {"dsl": "peer-dsl", "lte": "peer-lte"}


def install() -> None:
    """Outside, before anything is measured."""
    subprocess.run([pathlib.Path(__file__).parent / "install", *PACKAGES], check=True)


@contextlib.contextmanager
def two_devices(network: Topology, kind: str, mtu: int):
    """A device of the kernel for each leg at both ends, and each leg's packets on that leg."""
    run(None, "modprobe", "-qa", *MODULES.split(), check=False)
    with _source_routing(network), _single_packets(), removed(*DEVICES.values()):
        for leg in network.legs:
            name = DEVICES[leg.name]
            for host, local, remote in (("hg", leg.hg_address, HAAP), ("haap", HAAP, leg.hg_address)):
                run(host, "ip", "link", "add", name, "type", kind, "local", local, "remote", remote, "ttl", 64)
                run(host, "ip", "link", "set", name, "mtu", mtu)
        yield


@contextlib.contextmanager
def _source_routing(network: Topology):
    """What has an address of a leg leaves hg by that leg; haap's routes are so already."""
    for table, leg in enumerate(network.legs, 101):
        run("hg", "ip", "route", "add", "default", "via", leg.gateway, "dev", leg.name, "table", table)
        run("hg", "ip", "rule", "add", "from", leg.hg_address, "lookup", table, "pref", table)
    try:
        yield
    finally:
        for table, _ in enumerate(network.legs, 101):
            run("hg", "ip", "rule", "del", "pref", table)
            run("hg", "ip", "route", "flush", "table", table)


@contextlib.contextmanager
def _single_packets():
    ends = (("client", "c0"), ("server", "s0"))
    for host, device in ends:
        run(host, "ethtool", "-K", device, "tso", "off", "gso", "off", "tx-udp-segmentation", "off")
    try:
        yield
    finally:
        for host, device in ends:
            run(host, "ethtool", "-K", device, "tso", "on", "gso", "on", "tx-udp-segmentation", "on")


@contextlib.contextmanager
def gre_overflow(network: Topology):
    """Two GRE devices: DSL takes what `police` lets pass, LTE the rest."""
    mtu = FULL_FRAME - ETHERNET_HEADER - GRE
    with two_devices(network, "gre", mtu):
        for host, to, way in (("hg", SERVER, "up"), ("haap", LAN, "down")):
            dsl, lte = DEVICES["dsl"], DEVICES["lte"]
            for device in (dsl, lte):
                run(host, "ip", "link", "set", device, "up")
            run(host, "ip", "route", "add", to, "dev", dsl)
            # `police` counts a packet before GRE's header. Just below the link, so that DSL's queue stays short.
            kbit = round(getattr(network.dsl, way).mbit * 1000 * 0.99 * mtu / FULL_FRAME)
            run(host, "tc", "qdisc", "add", "dev", dsl, "clsact")
            run(host, "tc", "filter", "add", "dev", dsl, "egress", *(
                f"matchall action police rate {kbit}kbit burst 16k conform-exceed pipe/ok "
                f"action mirred egress redirect dev {lte}").split())
        yield


@contextlib.contextmanager
def _bonding_driver(network: Topology, options, primary: str | None = None):
    """The bonding driver over two gretap devices. `options`: the driver's, by the other end's address; `primary`: the
    leg that carries before the other one."""
    with two_devices(network, "gretap", FULL_FRAME - ETHERNET_HEADER - GRETAP), removed(DEVICE):
        for host, other, to in (("hg", "haap", SERVER), ("haap", "hg", LAN)):
            run(host, "ip", "link", "add", DEVICE, "type", "bond", *options(ENDS[other]))
            for name in DEVICES.values():
                run(host, "ip", "link", "set", name, "master", DEVICE)
            if primary:
                run(host, "ip", "link", "set", DEVICE, "type", "bond", "primary", DEVICES[primary])
            run(host, "ip", "address", "add", f"{ENDS[host]}/30", "dev", DEVICE)
            run(host, "ip", "link", "set", DEVICE, "up")
            run(host, "ip", "route", "add", to, "via", ENDS[other], "dev", DEVICE)
        yield


def bonding(network: Topology):
    """The bonding driver with balance-rr: one packet by DSL, the next one by LTE."""
    return _bonding_driver(network, lambda other: ("mode", "balance-rr"))


def active_backup(network: Topology, used: str, monitor: str):
    """The bonding driver with one of the devices in use. `monitor`: `miimon` looks at the devices' carriers, `arp` asks
    the other end and looks at what comes, both each 100 ms."""
    # The ends need not change over at the same time: what comes by the spare device is taken.
    mode = ("mode", "active-backup", "all_slaves_active", 1)
    watched = {"miimon": lambda other: ("miimon", 100), "arp": lambda other: ("arp_interval", 100, "arp_ip_target", other)}
    return _bonding_driver(network, lambda other: (*mode, *watched[monitor](other)), used)


@contextlib.contextmanager
def mptcp(network: Topology):
    """MPTCP between hg, which has both addresses, and the server: no tunnel, TCP only, and both ends must speak it.
    Flows run under `mptcpize run`."""
    lte = network.lte
    for host in ("hg", "server"):
        run(host, "sysctl", "-qw", "net.mptcp.enabled=1")
        run(host, "ip", "mptcp", "limits", "set", "subflow", 2, "add_addr_accepted", 2)
    with _source_routing(network):
        run("hg", "ip", "mptcp", "endpoint", "add", lte.hg_address, "dev", lte.name, "subflow")
        try:
            yield
        finally:
            run("hg", "ip", "mptcp", "endpoint", "flush")
