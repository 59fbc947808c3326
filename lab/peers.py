"""Other ways to carry all of IP from hg to haap by DSL, to compare with: each is a context in which it carries.
What carries by both legs is in lab/both_legs.py."""

import base64
import contextlib
import os
import pathlib
import subprocess
import tempfile

from lab import namespaces
from lab.namespaces import run
from lab.topology import HAAP, LAN, SERVER, Topology

PACKAGES = ("wireguard-tools", "openvpn")
PROGRAMS = (pathlib.Path("/usr/bin/wg"), pathlib.Path("/usr/sbin/openvpn"))
DEVICE = "peer0"
ENDS = {"hg": "172.31.0.1", "haap": "172.31.0.2"}


def install() -> None:
    """Outside, before anything is measured."""
    subprocess.run([pathlib.Path(__file__).parent / "install", *PACKAGES], check=True)


@contextlib.contextmanager
def plain(network: Topology, name: str = "dsl"):
    """No tunnel at all: the routers on the way know the client's network. `name`: of the leg that carries."""
    leg = network.leg(name)
    run("hg", "ip", "route", "add", SERVER, "via", leg.gateway, "dev", leg.name)
    run(leg.router, "ip", "route", "add", LAN, "via", leg.hg_address)
    run("haap", "ip", "route", "add", LAN, "via", leg.far_address)
    try:
        yield
    finally:
        run("haap", "ip", "route", "del", LAN)
        run(leg.router, "ip", "route", "del", LAN)
        run("hg", "ip", "route", "del", SERVER)


@contextlib.contextmanager
def removed(*devices: str):
    """Both ends lose these devices afterwards, and what is on them."""
    try:
        yield
    finally:
        for host in ENDS:
            for device in devices:
                run(host, "ip", "link", "del", device, check=False)


@contextlib.contextmanager
def _tunnel(mtu: int):
    """Routes into a device that both ends have."""
    for host, to in (("hg", SERVER), ("haap", LAN)):
        run(host, "ip", "link", "set", DEVICE, "up", "mtu", mtu)
        run(host, "ip", "route", "add", to, "dev", DEVICE)
    with removed(DEVICE):
        yield


@contextlib.contextmanager
def gre(network: Topology):
    """GRE of the kernel with key and sequence (RFC 2890)."""
    ends = {"hg": (network.dsl.hg_address, HAAP), "haap": (HAAP, network.dsl.hg_address)}
    for host, (local, remote) in ends.items():
        run(host, "ip", "link", "add", DEVICE, "type", "gre", "local", local, "remote", remote, "key", 7, "seq", "ttl", 64)
    with _tunnel(1468):
        yield


@contextlib.contextmanager
def wireguard(network: Topology):
    keys = {host: base64.b64encode(os.urandom(32)).decode() for host in ENDS}
    public = {host: run(None, "wg", "pubkey", text=key).strip() for host, key in keys.items()}
    for host, other, endpoint in (("hg", "haap", HAAP), ("haap", "hg", network.dsl.hg_address)):
        run(host, "ip", "link", "add", DEVICE, "type", "wireguard")
        words = f"[Interface]\nPrivateKey = {keys[host]}\nListenPort = 51820\n[Peer]\nPublicKey = {public[other]}\n"
        words += f"AllowedIPs = 0.0.0.0/0\nEndpoint = {endpoint}:51820\n"
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(words)
            file.flush()
            run(host, "wg", "setconf", DEVICE, file.name)
    with _tunnel(1420):
        yield


@contextlib.contextmanager
def openvpn(network: Topology):
    """In user space, without encryption."""
    run(None, "modprobe", "-q", "tun", check=False)
    processes = []
    try:
        for host, other, local, remote in (
            ("hg", "haap", network.dsl.hg_address, HAAP), ("haap", "hg", HAAP, network.dsl.hg_address)
        ):
            processes.append(namespaces.start(
                host, "openvpn", "--dev", DEVICE, "--dev-type", "tun", "--local", local, "--remote", remote, "--ifconfig",
                ENDS[host], ENDS[other], "--tun-mtu", 1440, "--cipher", "none", "--auth", "none", "--verb", 1,
                stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT))
        for host in ENDS:
            _appears(host)
        with _tunnel(1440):
            yield
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def _appears(host: str) -> None:
    for _ in range(100):
        if DEVICE in run(host, "ip", "-br", "link"):
            return
        run(None, "sleep", "0.1")
    raise RuntimeError(f"{DEVICE} does not appear in {host}")
