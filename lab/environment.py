"""Where scenarios run: in namespaces on this kernel if it has all they need, else in a virtual machine."""

import os
import subprocess

# What a scenario needs of a kernel, each tried in a namespace that is thrown away.
PROBES = (
    ("gre", "ip link add probe type gre remote 192.0.2.1 key 1 oseq"),
    ("ip6gre", "ip link add probe6 type ip6gre local 2001:db8::1 remote 2001:db8::2 key 1 oseq encaplimit none"),
    ("netem", "tc qdisc add dev lo root netem rate 1mbit delay 1ms"),
    (
        "police",
        "tc qdisc add dev lo clsact && tc filter add dev lo egress matchall action police rate 1mbit burst 64k "
        "conform-exceed continue/pipe action skbedit mark 1",
    ),
    (
        "nftables with queue",
        "nft 'add table ip p; add chain ip p c { type filter hook prerouting priority raw; }; "
        "add rule ip p c ip protocol gre queue flags bypass to 7'",
    ),
)
MODULES = "veth dummy ip_gre ip6_gre sch_netem act_police cls_matchall act_skbedit nf_tables nft_queue nfnetlink_queue"


def machine() -> str | None:
    """Inside the lab's virtual machine: its clock, `real time` or `virtual time`; elsewhere nothing."""
    return os.environ.get("SPILLWAY_LAB_MACHINE")


def missing_here() -> str | None:
    """What this kernel lacks, or nothing if scenarios can run on it."""
    if os.geteuid() != 0:
        return "not root"
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode != 0:
        return "no network namespaces allowed"
    subprocess.run(["modprobe", "-qa", *MODULES.split()], capture_output=True)
    for name, command in PROBES:
        tried = subprocess.run(
            ["unshare", "--net", "sh", "-c", f"ip link set lo up; {command}"], capture_output=True, timeout=30
        )
        if tried.returncode != 0:
            return f"this kernel has no {name}"
    return None
