"""The state of a host in the kernel, as lines that can be compared: what is left behind must be nothing."""

import json
import pathlib
import re
import time

from lab.namespaces import inside, run

# Sets of ours whose elements rules add themselves.
FILLED_BY_RULES = {"overflowing", "known_rates", "other_rates", "asked"}
# Counters, ages and numbers the kernel hands out: they differ without anything having changed.
VOLATILE = {
    "ifindex", "link_index", "link_netnsid", "handle", "stats", "stats64", "packets", "bytes", "drops", "overlimits",
    "requeues", "backlog", "qlen", "expires", "used", "installed", "firstused", "lastused", "valid_life_time",
    "preferred_life_time", "cacheinfo", "index", "tc_num_pref", "num_tx_queues", "num_rx_queues", "inet6_addr_gen_mode",
    "ref", "bind", "last_used", "first_used", "time", "users", "parentbus", "parentdev", "rate", "pps",
}

TABLES = {
    "link": ["ip", "-j", "-d", "link", "show"],
    "address": ["ip", "-j", "address", "show"],
    "route4": ["ip", "-j", "-4", "route", "show", "table", "all"],
    "route6": ["ip", "-j", "-6", "route", "show", "table", "all"],
    "rule4": ["ip", "-j", "-4", "rule", "show"],
    "rule6": ["ip", "-j", "-6", "rule", "show"],
    "qdisc": ["tc", "-j", "qdisc", "show"],
}

SETTINGS = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/conf", "/proc/sys/net/ipv6/conf")

# What a kernel makes by itself when the module is loaded.
FALLBACK_DEVICES = ("gre0", "gretap0", "erspan0", "ip6gre0", "ip6tnl0", "sit0", "tunl0", "ip_vti0", "ip6_vti0")


def dump(host: str) -> list[str]:
    """Links, addresses, routes, rules, qdiscs, filters, nftables, IPsec and sysctls of a host as sorted lines."""
    lines: list[str] = []
    devices: list[str] = []
    for name, command in TABLES.items():
        for entry in json.loads(run(host, *command) or "[]"):
            device = entry.get("ifname") or entry.get("dev") or ""
            if device in FALLBACK_DEVICES:
                continue
            if name == "link":
                devices.append(device)
            lines.append(f"{name} {json.dumps(_stable(entry, name), sort_keys=True)}")
    for device in devices:
        for parent in ("egress", "ingress", "root"):
            output = run(host, "tc", "-j", "filter", "show", "dev", device, parent, check=False).strip()
            for entry in json.loads(output) if output.startswith("[") else []:
                lines.append(f"filter {device} {parent} {json.dumps(_stable(entry, 'filter'), sort_keys=True)}")
    lines += _ruleset(host)
    for kind in ("state", "policy"):
        lines += [f"xfrm {kind} {line.strip()}" for line in run(host, "ip", "xfrm", kind).splitlines() if line.strip()]
    # `sysctl -a` looks at all there is, five times as long.
    settings = run(host, "grep", "-r", "--exclude=stable_secret", "", *SETTINGS).splitlines()
    skipped = tuple(f"/{device}/" for device in FALLBACK_DEVICES)
    lines += [f"sysctl {line.removeprefix('/proc/sys/')}" for line in settings if not any(word in line for word in skipped)]
    return sorted(lines)


def part(host: str, device: str, *names: str) -> list[str]:
    """Some of that state, which takes less time: names of TABLES, "filter" (egress of the device), "nft"."""
    lines: list[str] = []
    for name in names:
        if name == "nft":
            lines += _ruleset(host)
            continue
        command = TABLES.get(name) or ["tc", "-j", "filter", "show", "dev", device, "egress"]
        output = run(host, *command, check=False).strip()
        entries = json.loads(output) if output.startswith("[") else []
        lines += [f"{name} {json.dumps(_stable(each, name), sort_keys=True)}" for each in entries]
    return sorted(lines)


def _ruleset(host: str) -> list[str]:
    rules = json.loads(run(host, "nft", "-j", "list", "ruleset"))["nftables"]
    return [f"nft {json.dumps(_stable(each, 'nft'), sort_keys=True)}" for each in rules if "metainfo" not in each]


def brief(host: str, device: str = "bond0") -> list[str]:
    """What a daemon makes at a host, with few commands: each costs the virtual machine. The key of a bond, addresses
    that the kernel draws for devices and the number of a program are left out, so that two runs can be compared."""
    lines: list[str] = []
    for words in (["ip", "-4", "-d", "-j"], ["ip", "-6", "-j"]):
        what = ["route show table all", "rule show"] + (["link show", "address show"] if words[1] == "-4" else [])
        output = run(host, *words, "-batch", "-", text="\n".join(what) + "\n")
        lines += [f"ip {json.dumps(_stable(each, 'address'), sort_keys=True)}" for each in entries(output)]
    output = run(host, "tc", "-j", "-batch", "-", text=f"qdisc show\nfilter show dev {device} egress\n", check=False)
    try:
        lines += [f"tc {json.dumps(_stable(each, 'address'), sort_keys=True)}" for each in entries(output)]
    except json.JSONDecodeError:
        # So tc writes what polices.
        lines += _filters(host, device)
    lines += _ruleset(host)
    lines += _security(host)
    with inside(host):
        for file in sorted(pathlib.Path("/proc/sys/net/ipv4/conf").iterdir()):
            if file.name not in FALLBACK_DEVICES:
                lines.append(f"rp_filter {file.name} {(file / 'rp_filter').read_text().strip()}")
    lines = [line for line in lines if not any(f'"{name}"' in line for name in FALLBACK_DEVICES)]
    return sorted(set(_named_keys(lines)))


def settle(lab, *hosts: str) -> None:
    """Waits until the kernel has seen that all links are up, and has tried the IPv6 addresses that it gave them."""
    time.sleep(1)
    for host in hosts:
        _tried(lab, host)


def settled(lab, host: str) -> list[str]:
    """What `dump` returns once the kernel has tried the addresses that it gave the host."""
    _tried(lab, host)
    return dump(host)


def _tried(lab, host: str) -> None:
    untried = ("ip", "-6", "address", "show", "tentative")
    lab.wait(f"{host}: addresses are tried", lambda: not run(host, *untried).strip(), seconds=10)


def _filters(host: str, device: str) -> list[str]:
    """Queues of a host and filters of a device in tc's own words, without the numbers that the kernel chooses."""
    output = run(host, "tc", "-batch", "-", text=f"qdisc show\nfilter show dev {device} egress\n", check=False)
    lines: list[str] = []
    for line in output.splitlines():
        text = re.sub(r"\b(index|ref|bind|refcnt) \d+|police 0x\w+|^qdisc \w+ 8\w+:|\bid \d+", "", line).strip()
        # What passes the bond by, a few packets, is taken off the rate.
        text = re.sub(r"rate (\d+)Kbit burst \w+", lambda found: f"rate {round(int(found[1]), -2)}Kbit", text)
        if line.startswith(("qdisc", "filter")):
            lines.append(f"tc {line.split()[0]} {text}")
        elif text and lines:
            lines[-1] += f" {text}"
    return lines


def _security(host: str) -> list[str]:
    """IPsec policies and states, each in a line, without the numbers that change with each packet."""
    found: list[str] = []
    for line in run(host, "ip", "-batch", "-", text="xfrm policy\nxfrm state\n").splitlines():
        if not line.startswith((" ", "\t")):
            found.append(f"xfrm {line.strip()}")
        elif line.split()[0] in ("dir", "tmpl", "proto", "replay-window", "auth-trunc", "enc", "aead", "sel"):
            found[-1] += f" {line.strip()}"
    return found


def entries(output: str) -> list[dict]:
    """Of JSON arrays that follow each other."""
    decoder, at, entries = json.JSONDecoder(), 0, []
    while (at := output.find("[", at)) >= 0:
        value, at = decoder.raw_decode(output, at)
        entries += [each for each in value if each]
    return entries


def _named_keys(lines: list[str]) -> list[str]:
    text = "\n".join(lines)
    for key in re.findall(r'"ikey": "([0-9.]+)"', text):
        number = int.from_bytes(bytes(map(int, key.split("."))), "big")
        text = text.replace(f'"{key}"', '"KEY"').replace(f", {number}]", ", KEY]")
    text = re.sub(r"fe80::[0-9a-f:]+", "LINK-LOCAL", text)
    # What is left of the time of an address that a name has.
    text = re.sub(r'"timeout": \d+, "val"', '"val"', text)
    text = re.sub(r'"address": "[0-9a-f:]{17}"', '"address": "MAC"', text)
    text = re.sub(r'"permaddr": "[0-9a-f:]+"', '"permaddr": "MAC"', text)
    return re.sub(r'"prog": {"id": \d+', '"prog": {"id": N', text).split("\n")


def counter(host: str, table: str, name: str) -> int:
    """Packets of a named counter; `table` with its family: "inet spillway_source"."""
    listed = json.loads(run(host, "nft", "-j", "list", "counter", *table.split(), name))
    return next(each["counter"]["packets"] for each in listed["nftables"] if "counter" in each)


def difference(before: list[str], after: list[str]) -> list[str]:
    """Lines that went (with `-`) and that came (with `+`); empty when nothing is left behind."""
    old, new = set(before), set(after)
    return [f"- {line}" for line in sorted(old - new)] + [f"+ {line}" for line in sorted(new - old)]


def told(off: list[str]) -> str:
    """Lines of `difference` in few words: of each, where it is and what no line of the other side has."""
    sides = {sign: {word for line in off if line[0] == sign for word in line.split(", ")} for sign in "-+"}
    words = []
    for line in off:
        own = [word for word in line.split(", ") if word not in sides["+" if line[0] == "-" else "-"]]
        name = re.search(r'"(?:ifname|dev|name|dst)": "([^"]*)"', line)
        words.append(f"{line[:2]}{name.group(1) if name else line[2:40]}: {', '.join(own)[:300]}")
    return "; ".join(words)


def _stable(value, table: str):
    if isinstance(value, dict):
        # What rules themselves add comes and goes with the packets.
        skipped = VOLATILE | {"elem"} if value.get("name") in FILLED_BY_RULES else VOLATILE
        return {key: _stable(item, table) for key, item in value.items() if key not in skipped}
    if isinstance(value, list):
        items = [_stable(item, table) for item in value]
        # Addresses are listed in the order in which they came.
        return sorted(items, key=json.dumps) if table == "address" else items
    return value
