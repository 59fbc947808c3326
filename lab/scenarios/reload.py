"""`spillway reload` at both ends while traffic runs: what differs, what is taken at once, and what is not (village)."""

import json

from lab import namespaces, spillway
from lab.measure import flow
from lab.measure.frames import Probe, Sender, Wires
from lab.spillway import Spillway, command, is_bonded, settings
from lab.topology import CLIENT, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
LIST = [{"description": "television", "destination_port": 7100}]
NEW_LIST = [{"description": "television", "destination_port": 7200}]

prepare = spillway.prepare


def run(lab):
    with Topology.load("village") as network:
        value = settings("haap", network, filter_list=[{"name": "a", "item": LIST}], defaults={"filter_list": "a"})
        own = settings("hg", network)
        with Spillway(lab, "haap", value) as haap, Spillway(lab, "hg", own) as hg:
            hg.wait_for("bonded", is_bonded)
            hg.wait_for("the list is there", lambda status: status["policy"]["operator_items"] == 1)
            session = hg.status()["bond"]["session_id"]
            lab.check("nothing differs", say(lab, hg)[0] == 0 and say(lab, haap)[1]["changes"] == [])
            down = flow.UDP("server", "client", CLIENT, 8, mbit=6, size=1200)
            up = flow.UDP("client", "server", SERVER, 8, mbit=3, size=1200, port=5301)
            lab.wait("both flow", lambda: down.received > 100 and up.received > 100)
            at_the_gateway(lab, hg, own)
            at_the_aggregator(lab, haap, hg, value)
            wrong(lab, hg, own)
            for way, result in (("down", down.result()), ("up", up.result())):
                lab.check(f"{way}: no packet was lost meanwhile", result.lost == 0, str(result.lost))
            lab.check("the same bond", hg.status()["bond"]["session_id"] == session)
            removed(lab, haap, hg, value, session)


def say(lab, end, *options) -> tuple[int, dict]:
    """The exit status and the answer of `spillway reload --json`."""
    done = command("reload", end, "--json", *options)
    return done.returncode, json.loads(done.stdout)


def lines(answer: dict) -> list[str]:
    return [f"{each['section']}: {each['what']}{'' if each['live'] else ' !'}" for each in answer.get("changes", [])]


def seen(lab, name, **more) -> str:
    """Where a packet of the client's leaves the gateway."""
    wires = Wires("hg", lab.out, name.replace(" ", "-"))
    probe = Probe(name, **more)
    Sender("client", "c0", "hg", "lan").send(probe)
    return wires.stop().of(probe)


def at_the_gateway(lab, hg, own):
    new = own | {"bypass": [{"description": "own", "destination_port": 7300}],
                 "pin": [{"description": "backup", "leg": "lte", "destination_port": 7400}]}
    new["lte"] = own["lte"] | {"limit": "3 Mbit/s"}
    new["resequencer"] = {"buffer": 2048}
    hg.configure(new)
    wanted = ["lte.limit: changed", "bypass: 1 added", "pin: 1 added", "resequencer: changed !"]
    status, told = say(lab, hg, "--dry-run")
    lab.check("a dry run says what differs", (status, lines(told)) == (1, wanted), f"{status} {told}")
    lab.check("and does nothing", seen(lab, "not yet", dport=7300) == "dsl")
    status, told = say(lab, hg)
    lab.check("the gateway: what needs a restart is named", (status, lines(told)) == (1, wanted), f"{status} {told}")
    lab.check("the user's list holds", seen(lab, "own list", dport=7300).startswith("bypass"))
    lab.check("the operator's list still does", seen(lab, "operators list", dport=7100).startswith("bypass"))
    lab.check("the pin holds", seen(lab, "a pin", dport=7400) == "lte")
    limits = hg.status()["bond"].get("limits_kbit", {})
    lab.check("the limit holds", limits == {"lte": 3000}, str(limits))
    status, told = say(lab, hg)
    lab.check("again: only the restart is left", lines(told) == wanted[3:], str(told))


def at_the_aggregator(lab, haap, hg, value):
    new = value | {"filter_list": [{"name": "a", "item": NEW_LIST}],
                   "pin": [{"description": "backup", "leg": "lte", "source_port": 7500}]}
    new["subscriber"] = [*value["subscriber"], {"cin": "another"}]
    haap.configure(new)
    status, told = say(lab, haap)
    wanted = ["subscriber: another added", "filter_list: a changed", "pin: 1 added"]
    lab.check("the aggregator takes all", (status, lines(told)) == (0, wanted), f"{status} {told}")
    hg.wait_for("the new list", lambda status: "7200" in namespaces.run("hg", "nft", "list", "table", "inet", "spillway_policy"))
    lab.check("the new list holds", seen(lab, "new list", dport=7200).startswith("bypass"))
    lab.check("the former does not", seen(lab, "former list", dport=7100, sport=29999) == "dsl")
    wires = Wires("haap", lab.out, "pin-down")
    probe = Probe("a pin down", source=SERVER, destination=CLIENT, dport=7500)
    Sender("server", "s0", "haap", "wan").send(probe)
    lab.check("the aggregator's pin holds", wires.stop().of(probe) == "lte")


def wrong(lab, hg, own):
    hg.configure(own | {"lan": "lan", "colour": {"overflow": "sideways"}})
    status, told = say(lab, hg)
    problem = "; ".join(told.get("problems", []))
    lab.check("a file with problems is not taken", status == 2 and "overflow" in problem, f"{status} {told}")
    lab.check("file and line are named", any(part.isdigit() for part in problem.split(":")), problem)
    lab.check("what was taken stays", seen(lab, "still", dport=7400) == "lte")
    hg.reload()
    lab.wait("SIGHUP: the log says so", lambda: "reason=settings-wrong" in hg.log())
    hg.configure(own)
    hg.reload()
    lab.wait("SIGHUP: taken", lambda: hg.log().count("reason=reloaded") == 6)
    tables = namespaces.run("hg", "nft", "list", "table", "inet", "spillway_policy")
    lab.check("nothing is left of the lists", "7300" not in tables and "7400" not in tables)


def removed(lab, haap, hg, value, session):
    """A subscriber who is not listed any more has no bond; once listed again there is one."""
    haap.configure(value | {"subscriber": [{"cin": "another"}]})
    status, told = say(lab, haap)
    lab.check("a subscriber is removed", status == 0 and any("removed" in each for each in lines(told)), str(told))
    hg.wait_for("the bond has ended", lambda status: status["bond"].get("session_id") != session)
    lab.check("with code 9", "code=9" in hg.log(), "")
    haap.configure(value)
    lab.check("listed again", say(lab, haap)[0] == 0)
    hg.wait_for("bonded again", is_bonded, seconds=400)
