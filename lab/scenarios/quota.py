"""LTE's quota is used up, LTE becomes a reserve at both ends, and the next month brings it back (village)."""

import pathlib
import time

from lab import environment, namespaces, spillway
from lab.measure import flow, legs
from lab.measure.explained import Explained
from lab.measure.frames import Wires
from lab.spillway import Spillway, is_bonded, settings, uses_only
from lab.topology import CLIENT, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
VOLUME = 1_500_000
FILE = pathlib.Path("/run/spillway/hg/lte-quota")
# Slow lines: what is counted is octets, and what costs is packets. MBIT is more than DSL has room for.
DSL, LTE = {"up_mbit": 2, "down_mbit": 2}, {"up_mbit": 4, "down_mbit": 4}
MBIT = 4.5

prepare = spillway.prepare


def run(lab):
    FILE.unlink(missing_ok=True)
    step("2026-11-30 23:00:00")
    with Topology.load("village", DSL, LTE) as network:
        hg = settings("hg", network, lte={"quota": {"volume": VOLUME, "warn_at": [50]}})
        haap, hg = Spillway(lab, "haap", settings("haap", network)), Spillway(lab, "hg", hg)
        before = carried(network)
        with haap, hg:
            hg.wait_for("bonded", is_bonded)
            killed(lab, network, hg, before)
            used_up(lab, network, hg, haap, before)
            restarted(lab, hg, haap)
            without_dsl(lab, network, hg, haap)
            if environment.machine() is not None:
                next_month(lab, hg, haap)
            damaged(lab, hg)
        said = [line for line in hg.log().splitlines() if "reason=quota-" in line]
        lab.save("quota-log.json", said)
        for reason in ("quota-share", "quota-reached", "quota-file"):
            lab.check(f"the log has {reason}", any(f"reason={reason} " in line + " " for line in said), str(said)[:300])


def step(to):
    """Sets the clock of the virtual machine; that of any other machine is left alone."""
    if environment.machine() is not None:
        namespaces.run(None, "date", "-u", "-s", to)


def carried(network) -> int:
    """Bytes of IP packets on LTE's interface, as the kernel counts them."""
    read = lambda name: int(namespaces.run("hg", "cat", f"/sys/class/net/lte/statistics/{name}"))
    return read("rx_bytes") + read("tx_bytes") - 14 * (read("rx_packets") + read("tx_packets"))


def quota(hg) -> dict:
    return hg.status()["bond"]["legs"]["lte"]["quota"]


def flood(seconds):
    return [flow.UDP("client", "server", SERVER, seconds, mbit=MBIT, size=1200, port=5301),
            flow.UDP("server", "client", CLIENT, seconds, mbit=MBIT, size=1200, port=5302)]


def killed(lab, network, hg, before):
    """What the kernel carries while the daemon is dead is counted when it is back."""
    flows = flood(2)
    # Until what LTE carries is known two packets at a time go there, without a daemon none more.
    lab.wait("LTE is used", lambda: carried(network) - before > 100_000, seconds=5)
    hg.kill()
    at_kill = carried(network) - before
    for each in flows:
        each.result()
    hg.start()
    hg.wait_for("bonded after kill -9", is_bonded)
    now = quota(hg)
    lab.check("it was used meanwhile", now["used_bytes"] > at_kill + 20_000, f"{now['used_bytes']}, {at_kill}")
    # Of a link without load little can have come since the last look at it.
    missing = carried(network) - before - now["used_bytes"]
    lab.check("after kill -9: used, bytes", 0 <= missing <= 4000, f"{now['used_bytes']}, and {missing} are not counted")
    lab.check("LTE has a quota left", not now["reserve"] and now["used_percent"] < 90, str(now))


def used_up(lab, network, hg, haap, before):
    flows = flood(9)
    hg.wait_for("the quota is used up", lambda status: status["bond"]["legs"]["lte"]["quota"]["reserve"], 9)
    haap.wait_for("told", lambda status: status["bonds"][0]["primary_only"])
    lab.check("the gateway uses DSL alone", hg.status()["bond"]["distribution"] == "only dsl")
    # What waits in LTE's queue still comes.
    time.sleep(0.5)
    wires = {end: Wires(end.host, lab.out, "used-up") for end in (hg, haap)}
    ports = {hg: (CLIENT, SERVER, 5301, "quota"), haap: (SERVER, CLIENT, 5302, "asked")}
    told = {end: Explained.of(end.explain("udp", f"{source}:9", f"{destination}:{port}"))
            for end, (source, destination, port, _) in ports.items()}
    time.sleep(1.5)
    for end, (_, _, port, why) in ports.items():
        where = wires[end].stop().count(port)
        alone = set(where) == {"dsl"} and where["dsl"] > 200
        lab.check(f"{end.host}: the load is on DSL's wire alone", alone, str(where))
        knows = (told[end].leg, told[end].legs, told[end].unused) == ("dsl", ("dsl",), {"lte": why})
        lab.check(f"{end.host}: explain says so, and why", knows, str(told[end]))
    for each in flows:
        each.result()
    now = quota(hg)
    lab.figure("used_bytes", now["used_bytes"])
    lab.near("used, bytes, as the interface says", now["used_bytes"], carried(network) - before, 0.5)
    # Read once a second: at most so much later is LTE left.
    lte = (network.lte.up.mbit + network.lte.down.mbit) / 8 * 1e6
    lab.at_most("used, bytes", now["used_bytes"], VOLUME + 1.5 * lte)
    lab.check("a month's end is told", now["resets"] == "2026-12-01T00:00:00.000Z" or not in_vm(), now["resets"])


def in_vm() -> bool:
    return environment.machine() is not None


def is_reserve(status) -> bool:
    return status["bond"]["legs"]["lte"]["quota"]["reserve"] and status["bond"]["distribution"] == "only dsl"


def restarted(lab, hg, haap):
    before = quota(hg)["used_bytes"]
    hg.stop()
    hg.start()
    hg.wait_for("bonded after a restart", is_bonded)
    now = quota(hg)
    lab.check("a restart keeps the count", before <= now["used_bytes"] < before + 20_000, f"{before}, {now['used_bytes']}")
    hg.wait_for("LTE is a reserve still", is_reserve)
    haap.wait_for("told again", lambda status: status["bonds"] and status["bonds"][-1]["primary_only"])


def without_dsl(lab, network, hg, haap):
    network.dsl.carrier(False)
    for end in (hg, haap):
        end.wait_for("LTE alone", uses_only("lte"))
    got = flow.udp("server", "client", CLIENT, 1, mbit=3, size=1200)
    lab.check("LTE carries when DSL is lost", got.lost == 0, f"{got.lost} lost of {got.sent}")
    network.dsl.carrier(True)
    hg.wait_for("bonded again", is_bonded)
    hg.wait_for("LTE is a reserve again", is_reserve)
    haap.wait_for("told again", lambda status: status["bonds"][0]["primary_only"])


def next_month(lab, hg, haap):
    step("2026-12-01 00:00:02")
    hg.wait_for("LTE is used again", lambda status: "overflow" in status["bond"]["distribution"], 5)
    haap.wait_for("told", lambda status: not status["bonds"][0]["primary_only"])
    now = quota(hg)
    lab.check("a new month", now["used_bytes"] < 20_000 and now["began"].startswith("2026-12-01"), str(now))
    before = {host: legs.sent(host, "lte")[0] for host in ("hg", "haap")}
    # Short, so that most of December's volume is left.
    flows = flood(1)
    for host, packets in before.items():
        lab.wait(f"{host}: packets by LTE again", lambda: legs.sent(host, "lte")[0] - packets >= 50, seconds=3)
    for each in flows:
        each.result()
    step("2026-11-30 23:59:00")
    hg.wait_for("a clock that goes back brings no quota", is_reserve, 5)
    step("2026-12-01 00:10:00")
    hg.wait_for("December again", lambda status: "overflow" in status["bond"]["distribution"], 5)


def damaged(lab, hg):
    hg.stop()
    kept = FILE.read_bytes()
    FILE.write_bytes(kept.replace(b"total 1", b"total 2").replace(b"reset_day 1", b"reset_day 2"))
    hg.start()
    hg.wait_for("bonded with a damaged file", is_bonded)
    lab.check("the log says that the file is damaged", "damaged, LTE is counted anew" in hg.log())
    lab.at_most("counted from 0, bytes", quota(hg)["used_bytes"], 20_000)
