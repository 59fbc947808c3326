"""Events: hook commands, spillway monitor with a reader that stalls, and what a service manager is told (village)."""

import json
import pathlib
import signal
import socket
import subprocess
import time

from lab import namespaces, spillway
from lab.spillway import INNER, Spillway, is_bonded, settings, uses_only
from lab.topology import HAAP, LAN6, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary()]
WATCHDOG_US = 2_000_000
NOTIFY = pathlib.Path("/run/spillway/notify")

prepare = spillway.prepare

# Notes its environment and what it inherited; hangs, fails or floods where a file says so.
HOOK = """#!/bin/sh
folder={folder}
if [ -e $folder/hang ]; then sleep 1000 & echo $! >$folder/child; wait; fi
[ ! -e $folder/busy ] || echo overlap >>$folder/overlaps
: >$folder/busy
ls /proc/$$/fd | tr '\\n' ' ' >$folder/descriptors
grep -E '^Sig(Blk|Ign)' /proc/$$/status >$folder/signals
{{ env | sort; echo; }} >>$folder/calls
rm $folder/busy
[ ! -e $folder/fail ] || exit 3
"""


def run(lab):
    with Topology.load("village") as network:
        folder = lab.out / "hook"
        folder.mkdir()
        hook = folder / "hook"
        hook.write_text(HOOK.format(folder=folder))
        hook.chmod(0o755)
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        NOTIFY.parent.mkdir(exist_ok=True)
        NOTIFY.unlink(missing_ok=True)
        manager.bind(str(NOTIFY))
        manager.setblocking(False)
        haap = Spillway(lab, "haap", settings("haap", network))
        hg = Spillway(lab, "hg", settings("hg", network, hooks={"command": str(hook), "timeout": "2 s"}))
        # The daemon is started as systemd starts it; it takes the process id of what is executed here.
        hg.environment = {"NOTIFY_SOCKET": str(NOTIFY), "WATCHDOG_USEC": str(WATCHDOG_US)}
        with haap:
            with hg:
                hg.wait_for("bonded", is_bonded)
                hooks(lab, network, hg, folder)
                monitor(lab, network, hg)
                stalled(lab, hg)
                told = datagrams(manager)
                process = hg.process
                hg.reload()
                lab.wait("reload is told", lambda: "RELOADING=1" in (told.extend(datagrams(manager)) or "".join(told)))
            told += datagrams(manager)
        notified(lab, told)
        after = calls(folder)
        lab.check("the end is told to the hook command", after[-1]["ACTION"] == "bond-down" and
                  any(each["ACTION"] == "stopping" for each in after), str([each["ACTION"] for each in after[-5:]]))
        lab.check("the daemon has ended", process.returncode == 0, str(process.returncode))


def calls(folder) -> list[dict[str, str]]:
    """The environments of all calls so far."""
    file = folder / "calls"
    blocks = file.read_text().strip().split("\n\n") if file.exists() else []
    return [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]


def hooks(lab, network, hg, folder):
    """One call for each event, in order, one at a time, with its environment and nothing else of the daemon's."""
    made = lab.wait("called for both legs", lambda: len(each_leg_up(folder)) >= 2 and calls(folder))
    actions = [each["ACTION"] for each in made]
    lab.check("from the beginning", actions[0] == "started" and "bond-up" in actions, str(actions))
    up = {each["LINK"]: each for each in each_leg_up(folder)}
    for leg in network.legs:
        wanted = {"ROLE": "hg", "INTERFACE": leg.name, "ADDRESS": leg.hg_address, "AGGREGATOR": HAAP,
                  "DEVICE": "bond0", "BOND": spillway.CIN}
        got = up.get(leg.name, {})
        lab.check(f"{leg.name}: environment", all(got.get(key) == value for key, value in wanted.items()), str(got))
    wanted = {"ACTION": "addresses", "DEVICE": "bond0", "INNER": INNER, "PREFIX": LAN6}
    lab.wait("what is leased is told", lambda: any(wanted.items() <= each.items() for each in calls(folder)))
    allowed = {"PATH", "PWD", "OLDPWD", "SHLVL", "_"}
    known = {"ACTION", "ROLE", "MESSAGE", "SEVERITY", "TIME", "LINK", "REASON", "INTERFACE", "ADDRESS", "AGGREGATOR",
             "DEVICE", "BOND", "SESSION", "ATTEMPT", "CODE", "STATE", "INNER", "PREFIX"}
    names = {name for each in made for name in each}
    lab.check("and nothing of the daemon's environment", names <= allowed | known, str(names - allowed - known))
    descriptors = set((folder / "descriptors").read_text().split())
    # 10 is how dash keeps the script itself.
    lab.check("no descriptor is inherited", descriptors <= {"0", "1", "2", "10"}, str(descriptors))
    masks = [int(word, 16) for word in (folder / "signals").read_text().split()[1::2]]
    # 32 and 33 are the C library's own; it leaves them ignored.
    lab.check("no signal is blocked or ignored", not any(mask & ~(3 << 31) for mask in masks), str(masks))

    network.lte.carrier(False)
    hg.wait_for("uses only dsl", uses_only("dsl"))
    down = lab.wait("told of the loss", lambda: [each for each in calls(folder) if each["ACTION"] == "leg-down"])[-1]
    lab.check("which leg and why", (down["LINK"], down["REASON"], down["INTERFACE"]) == ("lte", "carrier_lost", "lte"),
              str(down))
    (folder / "hang").touch()
    network.lte.carrier(True)
    begun = time.monotonic()
    hg.wait_for("bonded while the hook command hangs", is_bonded)
    lab.at_most("the loop does not wait for it, s", time.monotonic() - begun, 2)
    lab.wait("killed after its time", lambda: hg.status()["hooks"]["killed"] >= 1, seconds=20)
    (folder / "hang").unlink()
    child = int((folder / "child").read_text())
    lab.wait("with what it had started", lambda: not pathlib.Path(f"/proc/{child}").exists() or zombie(child))
    lab.wait("and the next ones follow", lambda: hg.status()["hooks"]["waiting"] == 0, seconds=20)
    (folder / "fail").touch()
    network.lte.carrier(False)
    lab.wait("a failure is counted", lambda: hg.status()["hooks"]["failed"] >= 1)
    (folder / "fail").unlink()
    network.lte.carrier(True)
    hg.wait_for("bonded again", is_bonded)
    lab.check("never two at once", not (folder / "overlaps").exists())


def each_leg_up(folder) -> list[dict[str, str]]:
    return [each for each in calls(folder) if each["ACTION"] == "leg-up"]


def zombie(process: int) -> bool:
    return "\nState:\tZ" in pathlib.Path(f"/proc/{process}/status").read_text()


def monitor(lab, network, hg):
    """spillway monitor shows what happens, as text and as JSON."""
    readers = {}
    for form in ([], ["--json"]):
        words = [str(spillway.binary()), "monitor", *form, "--socket", hg.value["control"]["socket"]]
        file = lab.out / f"monitor{''.join(form)}.txt"
        readers[file] = subprocess.Popen(words, stdout=open(file, "w"), stdin=subprocess.DEVNULL)
    lab.wait("both listen", lambda: hg.status()["followers"] == 2)
    network.lte.carrier(False)
    hg.wait_for("uses only dsl", uses_only("dsl"))
    network.lte.carrier(True)
    hg.wait_for("bonded", is_bonded)
    text, values = readers
    lab.wait("text", lambda: "leg-up leg=lte" in text.read_text())
    events = lab.wait("JSON", lambda: [json.loads(each) for each in values.read_text().splitlines()][:2])
    got = [(each["event"], each["leg"]) for each in events]
    lab.check("what happened, in order", got == [("leg-down", "lte"), ("setup-requested", "lte")], str(got))
    lab.check("why", "why=carrier_lost" in text.read_text().splitlines()[0], text.read_text().splitlines()[0])
    for process in readers.values():
        process.send_signal(signal.SIGINT)
        process.wait()
    lab.wait("nobody listens any more", lambda: hg.status()["followers"] == 0)


def stalled(lab, hg):
    """A reader that does not read loses events and learns how many; everything else goes on."""
    reader = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    reader.connect(hg.value["control"]["socket"])
    reader.sendall(b"monitor all\n")
    lab.wait("it listens", lambda: hg.status()["followers"] == 1)
    before = sum(hg.status()["discarded"].values())
    # Rubbish, each packet an event. Of one source the kernel lets few pass.
    with namespaces.inside("dsl"):
        from lab.scenarios.life import fire, ip4
        rubbish = b"\x20\x00\xb7\xea" + bytes(4) + b"\x00"
        fire([ip4(f"10.66.{n // 250}.{n % 250 + 1}", "10.1.0.2", rubbish) for n in range(3000)])
    sent = lab.wait("all are counted", lambda: (n := sum(hg.status()["discarded"].values()) - before) >= 3000 and n)
    lab.check("the daemon answers meanwhile", is_bonded(hg.status()))
    reader.setblocking(False)
    data, quiet = b"", time.monotonic() + 3
    while time.monotonic() < quiet:
        try:
            data += reader.recv(1 << 16)
        except BlockingIOError:
            time.sleep(0.05)
    events = [json.loads(line) for line in data.splitlines()]
    missed = sum(each["missed"] for each in events if each["event"] == "gap")
    seen = sum(each["event"] == "discarded" for each in events)
    others = sum(each["event"] not in ("gap", "discarded", "round-trip") for each in events)
    lab.figure("events_read", seen)
    lab.figure("events_missed", missed)
    lab.check("some were read, some were missed", seen > 100 and missed > 100, f"{seen} and {missed}")
    # Round trips go by meanwhile, read or missed.
    lab.check("none is unaccounted for", 0 <= seen + missed + others - sent <= 30, f"{seen} + {missed} of {sent}")
    reader.close()


def datagrams(manager) -> list[str]:
    found = []
    while True:
        try:
            found.append(manager.recv(4096).decode())
        except BlockingIOError:
            return found


def notified(lab, told: list[str]):
    """What sd_notify(3) says a manager is to be told, in order."""
    lab.check("READY first", told[0].startswith("READY=1\nSTATUS="), str(told[:2]))
    lines = [line for each in told for line in each.splitlines()]
    lab.check("the state of the bond", "STATUS=bond on dsl and lte" in lines, str(set(lines))[:500])
    lab.check("signs of life", lines.count("WATCHDOG=1") >= 5, str(lines.count("WATCHDOG=1")))
    at = lines.index("RELOADING=1")
    lab.check("reloading, since when, and ready", lines[at + 1].startswith("MONOTONIC_USEC=") and
              "READY=1" in lines[at:], str(lines[at:at + 4]))
    lab.check("STOPPING at the end", lines[-1] == "STOPPING=1" or "STOPPING=1" in lines[-3:], str(lines[-3:]))
