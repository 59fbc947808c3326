"""How much of everything a host and a daemon have: what must not grow."""

import collections
import json
import os
import pathlib

from lab.measure.state import FALLBACK_DEVICES, FILLED_BY_RULES, entries
from lab.namespaces import inside, run


def status(process: int) -> dict[str, str]:
    return _lines(pathlib.Path(f"/proc/{process}/status"))


def memory() -> dict[str, str]:
    """Of the machine, all hosts together."""
    return _lines(pathlib.Path("/proc/meminfo"))


def _lines(file: pathlib.Path) -> dict[str, str]:
    return dict(line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)


def resident(process: int) -> int:
    """Memory of a process, kB."""
    return int(status(process)["VmRSS"].split()[0])


def daemon(process: int) -> dict[str, int]:
    """Resident memory in kB, descriptors and threads of a process."""
    values = status(process)
    return {
        "rss_kb": int(values["VmRSS"].split()[0]), "threads": int(values["Threads"]),
        "descriptors": len(os.listdir(f"/proc/{process}/fd")),
    }


def slab() -> dict[str, int]:
    """What the kernel has for itself, for all hosts together, kB."""
    values = memory()
    return {f"{name.lower()}_kb": int(values[name].split()[0]) for name in ("Slab", "SUnreclaim")}


def bpf() -> dict[str, int]:
    """Programs and maps, of all hosts together."""
    listed = {kind: json.loads(run(None, "bpftool", "-j", kind, "list") or "[]") for kind in ("prog", "map")}
    return {f"bpf_{kind}s": len(found) for kind, found in listed.items()}


def worked(process: int) -> float:
    """Seconds that a process has worked so far."""
    return int(pathlib.Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def devices(host: str) -> int:
    """Cheaper than asking `ip`."""
    with inside(host):
        lines = pathlib.Path("/proc/thread-self/net/dev").read_text().splitlines()[2:]
    return sum(line.split(":")[0].strip() not in FALLBACK_DEVICES for line in lines)


def kernel(host: str) -> dict[str, int]:
    """Objects of a host, by kind. What rules add themselves, and the kernel's own fall-back devices, do not count."""
    sizes: collections.Counter = collections.Counter()
    links = [each["ifname"] for each in entries(run(host, "ip", "-j", "link", "show"))]
    links = [name for name in links if name not in FALLBACK_DEVICES]
    sizes["netdevs"] = len(links)
    addresses = entries(run(host, "ip", "-j", "address", "show"))
    sizes["addresses"] = sum(len(each.get("addr_info", [])) for each in addresses)
    for family in ("-4", "-6"):
        sizes["routes"] += len(entries(run(host, "ip", "-j", family, "route", "show", "table", "all")))
        sizes["rules"] += len(entries(run(host, "ip", "-j", family, "rule", "show")))
    bonds = [name for name in links if name.startswith("bond")]
    what = "qdisc show\n" + "".join(
        f"filter show dev {name} {parent}\n" for name in bonds for parent in ("egress", "ingress")
    )
    sizes["tc"] = len(entries(run(host, "tc", "-j", "-batch", "-", text=what, check=False)))
    for each in json.loads(run(host, "nft", "-j", "list", "ruleset"))["nftables"]:
        for kind, value in each.items():
            if kind == "metainfo":
                continue
            sizes["nft"] += 1
            if kind in ("set", "map") and value["name"] not in FILLED_BY_RULES:
                sizes["nft_elements"] += len(value.get("elem", []))
    with inside(host):
        counts = pathlib.Path("/proc/thread-self/net/stat/nf_conntrack").read_text().splitlines()[1]
    sizes["conntrack"] = int(counts.split()[0], 16)
    return dict(sizes)
