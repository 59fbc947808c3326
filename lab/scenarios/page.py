"""The page in a real browser, and the dashboard's questions to a real Prometheus; not in CI (village)."""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

from lab import namespaces, spillway
from lab.measure import replay
from lab.scenario import REPOSITORY
from lab.scenarios.metrics import get
from lab.spillway import Spillway, is_bonded, settings, uses_only
from lab.topology import CLIENT, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
SCRAPES = 30
# Host, what is looked at; width and height of the window, and what is said to the browser besides.
VIEWS = {
    ("hg", "desktop"): (1200, 1000, []),
    ("hg", "phone"): (500, 1500, []),
    ("hg", "no-script"): (1200, 1000, []),
    ("hg", "dark"): (1200, 1000, ["--blink-settings=preferredColorScheme=0"]),
    ("haap", "desktop"): (1200, 1000, []),
    ("haap", "phone"): (500, 1500, []),
}


def prepare():
    spillway.prepare()
    subprocess.run([REPOSITORY / "lab/install", "chromium", "fonts-dejavu-core", "prometheus"], check=True)


def run(lab):
    with Topology.load("village") as network:
        http = {"listen": 9157}
        haap = Spillway(lab, "haap", settings("haap", network, http=http))
        hg = Spillway(lab, "hg", settings("hg", network, http=http))
        recordings = {"hg": replay.Recording(), "haap": replay.Recording()}
        with haap, hg:
            hg.wait_for("bonded", is_bonded)
            flows = [send("server", CLIENT, 10), send("client", SERVER, 1)]
            for number in range(SCRAPES):
                time.sleep(1)
                for host, recording in recordings.items():
                    recording.take("/metrics", *get(host)[1:])
                if number == 10:
                    network.lte.carrier(False)
                    hg.wait_for("uses only dsl", uses_only("dsl"))
                if number == 14:
                    network.lte.carrier(True)
                    hg.wait_for("bonded again", is_bonded)
            for host, recording in recordings.items():
                recording.take("/", *get(host, "/")[1:])
            for _ in range(3):
                time.sleep(2)
                for host, recording in recordings.items():
                    recording.take("/live", *get(host, "/live")[1:])
            for host, recording in recordings.items():
                recording.save(lab.out / f"{host}-answers.json")
            lab.check("recorded", all(len(each.answers["/metrics"]) == SCRAPES for each in recordings.values()))
            for each in flows:
                each.kill()
                each.wait()


def send(host: str, address: str, mbit: float) -> subprocess.Popen:
    """Datagrams of 1200 bytes at an even pace, until it is killed."""
    program = f"""
import socket, time
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
begun, sent = time.monotonic(), 0
while True:
    while sent < (time.monotonic() - begun) * {mbit * 1e6 / 9600}:
        try:
            out.sendto(bytes(1200), ("{address}", 5300))
        except OSError:
            pass
        sent += 1
    time.sleep(0.005)
"""
    return namespaces.start(host, "python3", "-c", program)


def judge(folder):
    """On this machine, as a browser is too slow in the virtual one: with what the daemons answered there."""
    for (host, view), (width, height, options) in VIEWS.items():
        # A document in such a sandbox runs no scripts; the browser itself needs them to make a picture.
        policy = "sandbox allow-same-origin" if view == "no-script" else None
        with replay.serving(folder / f"{host}-answers.json", policy) as server:
            yield from browse(folder, server, f"{host}-{view}", width, height, options)
    yield from dashboard(folder)


def browse(folder, server, name: str, width: int, height: int, options: list[str]):
    """One picture, what the document has become by then, and no complaint about the policy."""
    picture = folder / f"{name}.png"
    with tempfile.TemporaryDirectory() as home:
        words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                 f"--user-data-dir={home}", f"--window-size={width},{height}", "--virtual-time-budget=5000",
                 "--enable-logging=stderr", *options]
        shot = subprocess.run([*words, f"--screenshot={picture}", server.url + "/"], capture_output=True, text=True,
                              timeout=300, env=os.environ | {"HOME": home})
        asked = dict(server.asked)
        document = subprocess.run([*words, "--dump-dom", server.url + "/"], capture_output=True, text=True, timeout=300,
                                  env=os.environ | {"HOME": home}).stdout
    (folder / f"{name}.html").write_text(document)
    size = struct.unpack(">II", picture.read_bytes()[16:24]) if picture.exists() else None
    yield f"{name}: picture", size == (width, height), f"{size} {'' if size else shot.stderr[-300:]}"
    complaints = [line for line in shot.stderr.splitlines() if "CONSOLE" in line]
    if name.endswith("no-script"):
        # It says so, and that it does not follow the <noscript> element's wish to be asked for again either.
        held = [line for line in complaints if "Blocked script execution" in line or "meta http-equiv" in line]
        yield f"{name}: no script ran", len(held) == len(complaints) == 2, str(complaints)
        yield f"{name}: one request is all", asked == {"/": 1}, str(asked)
    else:
        yield f"{name}: nothing on the console", not complaints, "; ".join(complaints)[:500]
        fine = asked["/"] == 1 and asked["/live"] >= 2 and set(asked) == {"/", "/live"}
        yield f"{name}: renews itself, and asks for nothing else", fine, str(asked)
    wanted = ["DSL", "LTE", "Mbit/s", "<svg", 'class="lte" d="M', "leg-down", "daemon up for", "</footer>"]
    missing = [word for word in wanted if word not in document]
    yield f"{name}: the facts", not missing, str(missing)


def dashboard(folder):
    """A Prometheus scrapes both ends and watches the rules; each question of the dashboard has an answer."""
    with (tempfile.TemporaryDirectory() as home, replay.serving(folder / "hg-answers.json") as hg,
          replay.serving(folder / "haap-answers.json") as haap):
        rules = REPOSITORY / "deploy/prometheus/spillway.rules.yml"
        (pathlib.Path(home) / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 2s}\n"
            f"rule_files: [{rules}]\nscrape_configs:\n  - job_name: spillway\n    static_configs:\n"
            f"      - targets: ['{hg.url[7:]}']\n        labels: {{instance: hg}}\n"
            f"      - targets: ['{haap.url[7:]}']\n        labels: {{instance: haap}}\n")
        server = subprocess.Popen(
            ["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data",
             "--web.listen-address=127.0.0.1:19090"],
            stdout=subprocess.DEVNULL, stderr=open(folder / "prometheus.log", "w"))
        try:
            deadline = time.monotonic() + 180
            while min(each.asked.get("/metrics", 0) for each in (hg, haap)) < SCRAPES and time.monotonic() < deadline:
                time.sleep(0.5)
            yield from questions(folder)
        finally:
            server.terminate()
            server.wait()
            shutil.rmtree(f"{home}/data", ignore_errors=True)


def ask(path: str, **query):
    url = f"http://127.0.0.1:19090/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.loads(answer.read())["data"]


def questions(folder):
    board = json.loads((REPOSITORY / "deploy/grafana/spillway.json").read_text())
    answers = {}
    for panel in board["panels"]:
        for target in panel["targets"]:
            words = target["expr"].replace("$instance", ".*").replace("$__rate_interval", "10s")
            found = ask("query_range", query=words, start=time.time() - 60, end=time.time(), step=2)["result"]
            answers[f"{panel['title']}: {target['expr']}"] = len(found)
    (folder / "dashboard.json").write_text(json.dumps(answers, indent=1) + "\n")
    silent = [name for name, count in answers.items() if not count]
    yield "every panel has data", not silent, "; ".join(silent)
    rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
    bad = [f"{rule['name']}: {rule.get('lastError')}" for rule in rules if rule["health"] != "ok"]
    yield "the rules are evaluated", len(rules) >= 9 and not bad, "; ".join(bad)
    firing = [rule["name"] for rule in rules if rule["state"] == "firing"]
    yield "none fires", not firing, str(firing)
    up = {each["metric"]["instance"]: each["value"][1] for each in ask("query", query="up")["result"]}
    yield "both are scraped", up == {"hg": "1", "haap": "1"}, str(up)
    lost = ask("query", query='max_over_time(spillway_leg_losses_total{instance="hg",link="lte"}[5m])')["result"]
    yield "the lost leg is in it", bool(lost) and lost[0]["metric"]["reason"] == "carrier_lost", str(lost)
