"""Hundreds of gateways that spillway-blast plays against one aggregation point: set-up, Hellos, echoes, flaps."""

import json
import subprocess

from lab import namespaces, spillway
from lab.scenario import REPOSITORY
from lab.spillway import Spillway, settings
from lab.topology import HAAP, SERVER, Topology

VIRTUAL_TIME = True
BLAST = REPOSITORY / ".build" / "release" / "spillway-blast"
NEEDS = [spillway.binary(), BLAST]
GATEWAYS = 200
# Of the legs: an access line for all of them.
DSL, LTE = "10.1.8.0/24", "10.2.8.0/24"


def prepare():
    spillway.prepare()
    subprocess.run(["swift", "build", "-c", "release", "--product", "spillway-blast"], cwd=REPOSITORY, check=True)


def run(lab):
    line = {"up_mbit": 100, "down_mbit": 100}
    with Topology.load("village", dsl=line, lte=line) as network:
        lines(network)
        rates = {"pool": "homes", "dsl_downstream": "50 Mbit/s", "dsl_upstream": "10 Mbit/s"}
        subscribers = [{"cin": f"gateway-{number}", **rates} for number in range(GATEWAYS)]
        value = settings("haap", network, subscriber=subscribers, log={"level": "notice"},
                         pool=[{"name": "homes", "addresses": ["100.64.0.0/20"]}])
        with Spillway(lab, "haap", value) as haap:
            haap.wait_for("answers", lambda status: status["summary"]["configured"] == GATEWAYS)
            steady(lab, haap)
            haap.wait_for("all are given back", lambda status: status["summary"]["up"] == 0)
            flapping(lab, haap)
            haap.wait_for("all are given back again", lambda status: status["summary"]["up"] == 0)
            strangers(lab)


def lines(network):
    """Both prefixes are hg's own, and haap reaches them."""
    for leg, prefix in (("dsl", DSL), ("lte", LTE)):
        namespaces.run("hg", "ip", "route", "add", "local", prefix, "dev", "lo")
        namespaces.run(leg, "ip", "route", "add", prefix, "via", network.leg(leg).hg_address)
        namespaces.run("haap", "ip", "route", "add", prefix, "via", {"dsl": "10.9.1.1", "lte": "10.9.2.1"}[leg])
        table = {"dsl": "101", "lte": "102"}[leg]
        namespaces.run("hg", "ip", "route", "add", "default", "via", network.leg(leg).gateway, "table", table)
        namespaces.run("hg", "ip", "rule", "add", "from", prefix, "table", table)


def blast(*options) -> tuple[int, dict]:
    """Exit status and result."""
    words = ["ip", "netns", "exec", "hg", str(BLAST), HAAP, "--dsl", DSL, "--lte", LTE, "--json", *map(str, options)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=600)
    return done.returncode, json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}


def steady(lab, haap):
    """All come up, all their echoes come back by both legs, and the aggregation point counts the same."""
    status, result = blast("--gateways", GATEWAYS, "--rate", 100, "--seconds", 12, "--echo", SERVER)
    for name in ("set_ups_per_s", "set_up_ms_p50", "set_up_ms_p99", "hello_ms_p99", "hellos_answered", "echoes_sent"):
        lab.figure(name, result[name])
    lab.check("all are up", result["up"] == result["set_ups"] == GATEWAYS, str(result))
    lab.check("no echo is lost", result["echoes_sent"] > GATEWAYS and result["echoes_lost"] == 0, str(result))
    clean = not (result["lost_legs"] or result["denied"] or result["unreadable"])
    lab.check("nothing else is lost", clean, str(result))
    lab.check("exit status 0", status == 0, str(status))


def flapping(lab, haap):
    """Bonds end and come back; who has one keeps it."""
    _, result = blast("--gateways", GATEWAYS, "--rate", 100, "--seconds", 12, "--flap", 10)
    lab.figure("flapped", result["set_ups"] - GATEWAYS)
    lab.check("bonds end and come back", result["set_ups"] > GATEWAYS + 50, str(result))
    lab.check("no other is lost", result["lost_bonds"] == 0, str(result))


def strangers(lab):
    """Names that nobody knows are denied, and that is told."""
    status, result = blast("--gateways", 5, "--rate", 10, "--seconds", 3, "--name", "stranger-%")
    lab.check("strangers are denied", result["denied"] == {"9": 5} and result["up"] == 0, str(result))
    lab.check("exit status 1", status == 1, str(status))
