"""Ten thousand bonds at one aggregation point: what status, metrics and page cost; not in CI, half an hour (village)."""

import json
import os
import socket
import struct
import subprocess
import time

from lab import namespaces, spillway
from lab.measure import control
from lab.scenarios.metrics import get, resident, values
from lab.spillway import Spillway, settings
from lab.topology import HAAP, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
BONDS = int(os.environ.get("SPILLWAY_BONDS", "10000"))
LTE = 2

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        subscribers = [{"cin": f"gateway-{number}", "dsl_downstream": "50 Mbit/s"} for number in range(BONDS)]
        value = settings("haap", network, subscriber=subscribers, http={"listen": 9157}, log={"level": "notice"},
                         session={"active_hello_interval": "100 s", "hello_retry_times": 10})
        haap = Spillway(lab, "haap", value)
        with haap:
            haap.wait_for("answers", lambda status: status["summary"]["configured"] == BONDS, seconds=60)
            begun = time.monotonic()
            keys = set_up(lab, network.lte.hg_address)
            lab.figure("bonds", len(keys))
            lab.figure("set_up_s", time.monotonic() - begun)
            lab.check("all are up", haap.status()["summary"]["up"] == BONDS, str(haap.status()["summary"]))
            time.sleep(12)
            asked(lab, haap)
            lab.figure("resident_kb", resident(haap))


def set_up(lab, address: str) -> list[int]:
    """A Setup Request over LTE for each of them, a few at a time; returns the keys that the Accepts grant."""
    with namespaces.inside("hg"):
        client = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_GRE)
    client.bind((address, 0))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    client.settimeout(20)
    keys = []
    for start in range(0, BONDS, 20):
        numbers = range(start, min(start + 20, BONDS))
        for number in numbers:
            name = f"gateway-{number}".encode().ljust(40, b"\0")
            head = struct.pack(">HHIB", 0x2000, 0xB7EA, 0, control.SETUP_REQUEST << 4 | LTE)
            client.sendto(head + struct.pack(">BH", 3, 40) + name, (HAAP, 0))
        while len(keys) < numbers.stop:
            packet = client.recv(2048)
            at = (packet[0] & 15) * 4
            if packet[at + 8] >> 4 == control.SETUP_ACCEPT:
                keys.append(len(keys))
            elif packet[at + 8] >> 4 == control.SETUP_DENY:
                lab.check("every gateway is taken", False, packet.hex(), required=True)
        if start % 1000 == 0:
            lab.say(f"{len(keys)} bonds")
    client.close()
    return keys


def asked(lab, haap):
    """On the virtual clock an instruction is a nanosecond, whatever the machine: these times are comparable."""
    cases = {
        "scrape": lambda: get("haap", "/metrics"), "page": lambda: get("haap", "/"), "top": lambda: get("haap", "/facts.json"),
        "status": lambda: json.loads(spillway.command("status", haap, "--json").stdout),
        "status_one": lambda: json.loads(spillway.command("status", haap, f"gateway-{BONDS - 1}", "--json").stdout),
        "status_all": lambda: spillway.command("status", haap, "--all", "--json"),
        "status_worst": lambda: spillway.command("status", haap, "--sort", "health", "--filter", "unhealthy", "--json"),
        "version_alone": lambda: subprocess.run([str(spillway.binary()), "--version"], capture_output=True),
    }
    for name, ask in cases.items():
        took = []
        for _ in range(5):
            used, begun = processor(haap), time.monotonic()
            answer = ask()
            took.append((processor(haap) - used, (time.monotonic() - begun) * 1e3))
        lab.figure(f"{name}_daemon_ms", min(each[0] for each in took))
        lab.figure(f"{name}_ms", min(each[1] for each in took))
        if name == "scrape":
            lab.figure("scrape_bytes", len(answer[2]))
            lab.at_most("a scrape, ms", min(each[1] for each in took), 50)
        if name == "status_all":
            lab.figure("status_all_bytes", len(answer.stdout))
            lab.check("all of them", len(json.loads(answer.stdout)["bonds"]) == BONDS)
        if name == "status_one":
            lab.check("the one", [bond["client"] for bond in answer["bonds"]] == [f"gateway-{BONDS - 1}"], str(answer)[:300])
        if name == "status":
            lab.check("a hundred of them", len(answer["bonds"]) == min(100, BONDS))
    lab.check("metrics", values("haap")["spillway_bonds_up"] == BONDS)
    used, begun = processor(haap), time.monotonic()
    time.sleep(30)
    lab.figure("samples_percent_of_a_processor", (processor(haap) - used) / (time.monotonic() - begun) / 10)


def processor(haap) -> float:
    """Milliseconds that the daemon has worked so far."""
    return int(open(f"/proc/{haap.process.pid}/schedstat").read().split()[0]) / 1e6
