"""What our daemons send: control messages captured on the way out of their host, and judged when a scenario is over.

Only what leaves is captured, so that nothing a scenario forges or breaks on its way counts as ours. A capture lives as
long as its `with`, whatever happens to the daemon. tshark runs on the machine outside: inside it would cost half a
minute, and the virtual clock would run on.
"""

import contextlib
import json
import pathlib

from lab.measure import capture, dissect
from lab.scenario import Lab

# Host, then leg: the device towards that access.
DEVICES = {"hg": {"dsl": "dsl", "lte": "lte"}, "haap": {"dsl": "hd", "lte": "hl"},
           "haap1": {"core": "core"}, "haap2": {"core": "core"}}
PROTOCOLS = ("0xb7ea", "0x0101")
# GRE's protocol type, two bytes behind an IP header without options.
FILTER = " or ".join(
    f"({ip} proto 47 and {ip}[{offset}:2] == {protocol})"
    for ip, offset in (("ip", 22), ("ip6", 42)) for protocol in PROTOCOLS
)


@contextlib.contextmanager
def control_messages(lab: Lab, host: str):
    """Captures the control messages that leave a host, on each leg; notes the files for `judge`."""
    with contextlib.ExitStack() as captures:
        for leg, device in DEVICES.get(host, {}).items():
            name = f"sent-{host}-{leg}-{len(lab.sent)}.pcap"
            lab.sent.append({"leg": leg, "file": name})
            captures.enter_context(
                capture.Capture(host, device, lab.out / name, snap=2000, filter=FILTER, outgoing=True)
            )
        yield


def judge(result: dict, folder: pathlib.Path) -> None:
    """Adds a check for each leg to the result of a scenario, in memory and in its file."""
    files: dict[str, list[pathlib.Path]] = {}
    for each in result.pop("sent", []):
        files.setdefault(each["leg"], []).append(folder / each["file"])
    leased = [folder / each["file"] for each in result.pop("dhcp", [])]
    if not files and not leased:
        return
    try:
        found = dissect.control_messages(files) if files else {}
        if leased:
            found["DHCP inside the bond"] = dissect.dhcp(leased)
        checks = [
            {"name": f"tshark finds nothing wrong on {leg}", "pass": seen.clean, "detail": str(seen)}
            for leg, seen in found.items()
        ]
    except Exception as error:  # Whatever is wrong with a capture must fail this scenario, not all others.
        checks = [{"name": "tshark reads the captures", "pass": False, "detail": f"{type(error).__name__}: {error}"}]
    for check in checks:
        print(f"  {result['scenario']}: {'ok  ' if check['pass'] else 'FAIL'} {check['name']}: {check['detail'][:500]}")
    result["checks"] += checks
    result["pass"] = result["pass"] and all(check["pass"] for check in checks)
    (folder / "result.json").write_text(json.dumps(result) + "\n")
