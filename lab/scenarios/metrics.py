"""Metrics: promtool accepts them, they are what the kernel counts, no scrape asks the kernel, hostile clients (village)."""

import json
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request

from lab import namespaces, spillway
from lab.measure import flow, sizes, trace
from lab.scenario import REPOSITORY
from lab.spillway import Spillway, is_bonded, settings, uses_only
from lab.topology import HAAP, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary(), trace.PROGRAM]
PORT = 9157
BASE = f"http://127.0.0.1:{PORT}"

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        http = {"listen": [f"127.0.0.1:{PORT}", f"[::1]:{PORT}"]}
        haap = Spillway(lab, "haap", settings("haap", network, http=http | {"subscriber_labels": True}))
        hg = Spillway(lab, "hg", settings("hg", network, http=http))
        with haap, hg:
            for daemon in (hg, haap):
                lab.save(f"{daemon.host}-status-before.json", daemon.wait_for("answers", lambda status: True))
            hg.wait_for("bonded", is_bonded)
            flow.tcp("client", "server", SERVER, 2, reverse=True, omit=0)
            # A round of samples at the aggregation point lasts 2 s.
            time.sleep(2.5)
            for daemon in (hg, haap):
                accepted(lab, daemon)
                lab.save(f"{daemon.host}-status.json", daemon.status())
            counted(lab, hg, haap)
            changes(lab, network, hg, haap)
            quiet(lab, haap)
            page(lab, hg, haap)
            hostile(lab, hg)


def get(host: str, path: str = "/metrics", method: str = "GET", headers: dict | None = None):
    """Status, headers and text of an answer."""
    request = urllib.request.Request(BASE + path, method=method, headers=headers or {})
    with namespaces.inside(host):
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, dict(answer.headers), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read().decode()


def values(host: str) -> dict[str, float]:
    """Samples of a scrape by name and labels, as they are written."""
    lines = [line for line in get(host)[2].splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def accepted(lab, daemon):
    """Kept for Prometheus' own tool, which runs outside."""
    status, headers, text = get(daemon.host)
    (lab.out / f"{daemon.host}-metrics.txt").write_text(text)
    kind = headers["Content-Type"]
    lab.check(f"{daemon.host}: text format", status == 200 and kind.startswith("text/plain; version=0.0.4"), kind)
    lab.figure(f"{daemon.host}_scrape_bytes", len(text))


def judge(folder):
    import jsonschema

    schema = jsonschema.Draft202012Validator(json.loads((REPOSITORY / "docs/status.schema.json").read_text()))
    for file in sorted(folder.glob("*-status*.json")):
        wrong = [f"{error.json_path}: {error.message}" for error in schema.iter_errors(json.loads(file.read_text()))]
        yield f"{file.stem} is as docs/status.schema.json has it", not wrong, "; ".join(wrong[:5])
    for host in ("hg", "haap"):
        text = (folder / f"{host}-metrics.txt").read_text()
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        yield f"{host}: promtool check metrics", done.returncode == 0 and not done.stderr, done.stdout + done.stderr


def counted(lab, hg, haap):
    """What is told is what the kernel has in its own counters, and the ends agree."""
    gateway, aggregator = values("hg"), values("haap")
    for host, told in (("hg", gateway), ("haap", aggregator)):
        kernel = elements(host)
        for leg in ("dsl", "lte"):
            for way, sets in (("received", f"{leg}_peers"), ("sent", f"{leg}_to")):
                said = told[f'spillway_{way}_bytes_total{{link="{leg}"}}']
                has = kernel[sets]["bytes"]
                # Some packets come and go between the sample and this look.
                # The transfer went down, its acknowledgements up by DSL alone.
                least = 50_000 if (host, way) in (("hg", "received"), ("haap", "sent")) or leg == "dsl" else 0
                lab.check(f"{host}: {leg} {way}", 0 <= has - said <= 3000 and said >= least, f"{said:.0f} of {has}")
    for name, wanted in {
        "spillway_bonds_configured": 1, "spillway_bonds_up": 1, 'spillway_bonds_using{legs="both"}': 1,
        'spillway_legs_configured{link="lte"}': 1, 'spillway_legs_up{link="dsl"}': 1,
    }.items():
        lab.check(name, gateway[name] == aggregator[name] == wanted, f"{gateway[name]} {aggregator[name]}")
    trip = gateway['spillway_round_trip_seconds{link="dsl"}']
    lab.check("round trip in seconds", 0.019 < trip < 0.5, f"{trip}")
    capacity = gateway['spillway_capacity_bytes_per_second{link="dsl",direction="down"}']
    lab.check("capacity in bytes", capacity == 1_000_000, f"{capacity}")
    of_one = f'spillway_bond_received_bytes_total{{bond="{spillway.CIN}",link="dsl"}}'
    of_all = aggregator['spillway_received_bytes_total{link="dsl"}']
    lab.check("of the one bond", aggregator[of_one] == of_all, f"{aggregator[of_one]}, {of_all}")
    lab.check("none of a bond at the gateway", not any(name.startswith("spillway_bond_") for name in gateway))


def elements(host: str) -> dict[str, dict]:
    """Counters of the sets' one element, by the set's name."""
    found = {}
    for each in json.loads(namespaces.run(host, "nft", "-j", "list", "table", "ip", "spillway"))["nftables"]:
        for entry in each.get("set", each.get("map", {})).get("elem", []):
            text = json.dumps(entry)
            if match := re.search(r'"counter": \{"packets": (\d+), "bytes": (\d+)\}', text):
                name = each.get("set", each.get("map"))["name"]
                found[name] = {"packets": int(match[1]), "bytes": int(match[2])}
    return found


def changes(lab, network, hg, haap):
    """Configured and up differ when a leg is lost, and totals never go back."""
    before = {host: values(host) for host in ("hg", "haap")}
    network.lte.carrier(False)
    hg.wait_for("uses only dsl", uses_only("dsl"))
    lost = values("hg")
    lab.check("configured, but not up", lost['spillway_legs_configured{link="lte"}'] == 1 and
              lost['spillway_legs_up{link="lte"}'] == 0 and lost['spillway_bonds_using{legs="dsl"}'] == 1)
    name = 'spillway_leg_losses_total{link="lte",reason="carrier_lost"}'
    lab.check("why", lost[name] == before["hg"].get(name, 0) + 1, str(lost.get(name)))
    network.lte.carrier(True)
    hg.wait_for("bonded again", is_bonded)
    time.sleep(2.5)
    for host in ("hg", "haap"):
        after = values(host)
        back = [name for name, value in before[host].items()
                if name.split("{")[0].endswith("_total") and after[name] < value and "hellos" not in name
                and not name.startswith("spillway_bond_")]
        lab.check(f"{host}: totals only grow", not back, str(back))


def quiet(lab, haap):
    """The daemon's system calls while it is scraped: none of them goes to netlink between a request and its answer."""
    with trace.system_calls(lab, haap.process.pid, "network", length=40) as file:
        for _ in range(20):
            get("haap")
            time.sleep(0.2)
    calls = file.read_text()
    scrapes, asked, inside = 0, [], False
    for line in calls.splitlines():
        if "recvfrom(" in line and "GET /metrics" in line:
            inside = True
        elif "sendto(" in line and "HTTP/1.1 200" in line:
            scrapes, inside = scrapes + 1, False
        elif inside and "NETLINK" in line:
            asked.append(line)
    others = calls.count("NETLINK")
    lab.check("20 scrapes seen", scrapes == 20, str(scrapes))
    lab.check("no scrape asks the kernel", not asked, "; ".join(asked[:3]))
    # The trace does show what goes to netlink: the samples between the scrapes.
    lab.check("netlink is seen beside them", others > 0, str(others))


def page(lab, hg, haap):
    """The page is whole without a script, keeps to its policy, and escapes what it is given."""
    for host in ("hg", "haap"):
        status, headers, text = get(host, "/")
        (lab.out / f"{host}-page.html").write_text(text)
        policy = headers["Content-Security-Policy"]
        lab.check(f"{host}: policy", status == 200 and policy.startswith("default-src 'none'") and
                  "unsafe" not in policy, policy)
        lab.check(f"{host}: the facts", "DSL" in text and "LTE" in text and "leg-up" in text and "<svg" in text)
        lab.check(f"{host}: nothing from elsewhere", not re.search(r'(src|href)="?(https?:)?//', text))
        lab.check(f"{host}: JSON", json.loads(get(host, "/facts.json")[2])["role"] == host)
        status, headers, text = get(host, "/live", method="HEAD")
        lab.check(f"{host}: HEAD", status == 200 and not text and int(headers["Content-Length"]) > 500, str(headers))
    lab.check("the bond's name", spillway.CIN in get("haap", "/")[2])
    for path, method, headers, wanted in (
        ("/none", "GET", {}, 404), ("/metrics", "POST", {}, 405), ("/", "DELETE", {}, 405),
        ("/metrics", "GET", {"Host": "evil.example"}, 421), ("/metrics", "GET", {"Host": "localhost:9157"}, 200),
        ("/metrics", "GET", {"X": "y" * 9000}, 431),
    ):
        status, answer, _ = get("hg", path, method, headers)
        lab.check(f"{method} {path} {str(headers)[:30]}", status == wanted, str(status))


def connect(host: str) -> socket.socket:
    with namespaces.inside(host):
        client = socket.create_connection(("127.0.0.1", PORT), timeout=20)
    return client


def hostile(lab, hg):
    """Clients that say nothing, little, too much or never read: each is sent away, and the bond does not notice."""
    silent = [connect("hg") for _ in range(40)]
    begun = time.monotonic()
    slow = silent[0]
    try:
        while time.monotonic() - begun < 20:
            slow.send(b"G")
            time.sleep(0.5)
    except OSError:
        pass
    lab.at_most("one byte at a time is cut off, s", time.monotonic() - begun, 7)
    status, _, _ = get("hg")
    lab.check("then there is room again", status == 200)
    for each in silent:
        each.close()
    with namespaces.inside("hg"):
        other = socket.create_connection(("::1", PORT), timeout=20)
    other.sendall(f"GET /metrics HTTP/1.1\r\nHost: [::1]:{PORT}\r\n\r\n".encode())
    lab.check("IPv6", other.recv(4096).startswith(b"HTTP/1.1 200"))
    other.close()
    many = connect("hg")
    many.sendall(b"GET /facts.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 30)
    data = b""
    while data.count(b"HTTP/1.1 200 OK") < 30 and (piece := many.recv(1 << 16)):
        data += piece
    lab.check("requests one after the other", data.count(b"HTTP/1.1 200 OK") == 30, str(data.count(b"HTTP/1.1")))
    many.close()
    greedy = connect("hg")
    greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    memory = sizes.resident(hg.process.pid)
    greedy.settimeout(2)
    try:
        for _ in range(2000):
            greedy.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
    except OSError:
        pass
    lab.at_most("who does not read costs, kB", sizes.resident(hg.process.pid) - memory, 1000)
    lab.check("and the daemon answers", is_bonded(hg.status()) and get("hg")[0] == 200)
    for text in (b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
        client = connect("hg")
        client.sendall(text)
        answer = client.recv(1 << 16)
        rest = client.recv(1 << 16)
        lab.check(f"refused: {text[:36]!r}", answer[9:10] in (b"4", b"5") and not rest, str(answer[:40]))
        client.close()
    greedy.close()
