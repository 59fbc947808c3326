"""Both daemons as systemd runs them by the shipped unit: rights, status, watchdog, reload, crash, restart (village)."""

import re
import time

from lab import namespaces, systemd
from lab.measure import state
from lab.measure.ping import Pinger, ping
from lab.scenarios.adopt import devices
from lab.scenarios.privileges import BOUNDS, KEPT
from lab.spillway import is_bonded, settings
from lab.systemd import Service, System
from lab.topology import SERVER, Topology

VIRTUAL_TIME = True
NEEDS = systemd.needs()
# What `systemd-analyze security` may find at most, in tenths; systemd-networkd's own unit has 28.
EXPOSURE = 20
HOOK = "/usr/local/bin/noted"
NOTED = "/var/lib/spillway/noted"
SECRET = "/etc/spillway/radius.secret"
# Nobody answers there; who may bond is known from the settings.
RADIUS = {"server": [{"address": "203.0.113.2", "secret_file": SECRET}]}

prepare = systemd.prepare


def run(lab):
    with Topology.load("village") as network:
        before = {host: state.settled(lab, host) for host in ("hg", "haap")}
        with System(lab, "hg") as near, System(lab, "haap") as far:
            for system in (near, far):
                system.run("dpkg", "-i", systemd.package(0))
            hooked(near)
            own = settings("hg", network, hooks={"command": HOOK})
            haap = Service(lab, far, settings("haap", network, radius=RADIUS))
            secret(lab, haap)
            haap.configure(settings("haap", network))
            hg = Service(lab, near, own)
            with haap, hg:
                for service in (haap, hg):
                    is_started(lab, service)
                hg.wait_for("bonded", is_bonded)
                lab.wait("both ways pass", lambda: ping("client", SERVER, 3).received == 3)
                for service in (haap, hg):
                    keeps(lab, service)
                exposure(lab, near)
                program(lab)
                reload(lab, hg, own)
                lab.wait("hook commands run", near.path(NOTED).exists)
                noted = near.path(NOTED).read_text()
                lab.check("hook commands have no capability", "CapEff:\t0000000000000000" in noted)
                refused = re.search("niceness: (.*)", noted)
                lab.check("a system call beyond its own is refused", refused is not None, noted[-100:])
                crash(lab, hg)
                hang(lab, hg)
                restart(lab, hg)
            last = near.path(NOTED).read_text()
            told = "did stopping\n" in last and last.endswith("did bond-down\n")
            lab.check("the end is told to the hook command", told, last[-100:])
            lab.check("no hook command was ended", "reason=hook-" not in hg.log())
            for host, system in (("hg", near), ("haap", far)):
                shown = system.properties("ActiveState", "Result")
                well = shown == {"ActiveState": "inactive", "Result": "success"}
                lab.check(f"{host}: stopped well", well, str(shown))
                left = state.difference(before[host], state.settled(lab, host))
                lab.check(f"{host}: nothing is left in the kernel", not left, "; ".join(left)[:1500])


def hooked(system):
    """A hook command that writes where the service may, and takes its time."""
    file = system.path(HOOK)
    file.parent.mkdir(parents=True, exist_ok=True)
    does = "cat /proc/self/status; nice -n 1 true; sleep 0.2; echo did $ACTION"
    file.write_text(f"#!/bin/sh\n{{ {does}; }} >>{NOTED} 2>&1\n")
    file.chmod(0o755)


def secret(lab, haap):
    """A file that only the service's user may read."""
    system = haap.system
    system.path(SECRET).write_text("a secret that is long enough\n")
    system.run("chmod", "600", SECRET)
    system.run("chown", "spillway", SECRET)
    done = system.run("systemctl", "start", systemd.PACKAGE, check=False)
    lab.check("it reads a secret that is its own", done.returncode == 0, done.stderr + haap.log()[-500:])
    haap.stop()


def is_started(lab, service):
    """`systemctl start` waits for READY=1."""
    shown = service.system.properties(
        "ActiveState", "SubState", "Type", "WatchdogUSec", "WatchdogTimestampMonotonic", "StatusText", "NRestarts"
    )
    host = service.host
    lab.check(f"{host}: running", (shown["ActiveState"], shown["SubState"]) == ("active", "running"), str(shown))
    lab.check(f"{host}: of type notify", shown["Type"] == "notify" and shown["NRestarts"] == "0", str(shown))
    lab.check(f"{host}: watched", shown["WatchdogUSec"] == "1min", str(shown))
    lab.check(f"{host}: said something", shown["StatusText"] != "", shown["StatusText"])


def keeps(lab, service):
    """What the kernel says of the process."""
    system, host = service.system, service.host
    status = system.process_status(system.main_process())
    user = system.run("id", "-u", "spillway").stdout.strip()
    lab.check(f"{host}: not root", status["Uid"].split() == [user] * 4 and user != "0", status["Uid"])
    for each in ("CapPrm", "CapEff"):
        lab.check(f"{host}: {each}", int(status[each], 16) == KEPT, status[each])
    for each in ("CapInh", "CapAmb"):
        lab.check(f"{host}: {each}", int(status[each], 16) == 0, status[each])
    lab.check(f"{host}: CapBnd", int(status["CapBnd"], 16) == BOUNDS, status["CapBnd"])
    lab.check(f"{host}: no new privileges", status["NoNewPrivs"] == "1", status["NoNewPrivs"])
    lab.check(f"{host}: system calls are filtered", status["Seccomp"] == "2", status["Seccomp"])
    lab.figure(f"{host}_seccomp_filters", int(status["Seccomp_filters"]))


def exposure(lab, system):
    done = system.run("systemd-analyze", "security", f"--threshold={EXPOSURE}", "spillway.service", check=False)
    (lab.out / "security.txt").write_text(done.stdout)
    found = re.search(r"Overall exposure level for spillway.service: ([0-9.]+)", done.stdout)
    lab.figure("exposure", float(found[1]) if found else -1.0)
    lab.check("systemd-analyze security", done.returncode == 0 and found is not None, done.stdout[-120:] + done.stderr)


def program(lab):
    """Loading it takes capabilities and the system call of the unit."""
    for host in ("hg", "haap"):
        qdiscs = namespaces.run(host, "tc", "qdisc", "show", "dev", "bond0")
        lab.check(f"{host}: the program was loaded", "qdisc fq " in qdiscs and "clsact" in qdiscs, qdiscs)


def reload(lab, hg, own):
    """`systemctl reload`: what is taken is in the kernel, what is wrong is refused."""
    process = hg.system.main_process()
    item = {"description": "own", "destination_ip": "198.51.100.7"}
    rules = lambda: namespaces.run("hg", "nft", "list", "ruleset")
    lab.check("not yet", "198.51.100.7" not in rules())
    hg.configure(own | {"bypass": [item]})
    hg.reload()
    lab.wait("reload: the item is in the kernel", lambda: "198.51.100.7" in rules(), 10, 0.5)
    hg.configure(own | {"nonsense": 1})
    hg.reload()
    lab.wait("reload: what is wrong is told", lambda: "nonsense: unknown key" in hg.log(), 10, 0.5)
    lab.check("reload: it goes on with what it had", "198.51.100.7" in rules() and
              hg.system.main_process() == process and is_bonded(hg.status()))
    hg.configure(own)
    hg.reload()
    lab.wait("reload: the item is gone", lambda: "198.51.100.7" not in rules(), 10, 0.5)


def again(lab, hg, name, before, restarts):
    """A daemon that systemd has started anew goes on with the bond."""
    session, indexes = before
    lab.wait(f"{name}: started again", lambda: hg.system.properties("NRestarts")["NRestarts"] == str(restarts))
    hg.wait_for(f"{name}: bonded", is_bonded)
    now = hg.status()["bond"]["session_id"]
    lab.check(f"{name}: the same session", now == session, f"{session} then {now}")
    lab.check(f"{name}: the same devices", devices("hg") == indexes, f"{indexes} then {devices('hg')}")


def crash(lab, hg):
    """kill -9: Restart=always."""
    before = hg.status()["bond"]["session_id"], devices("hg")
    pinger = Pinger("client", SERVER, 1000, interval=0.005)
    time.sleep(0.5)
    hg.kill()
    again(lab, hg, "killed", before, 1)
    got = pinger.result()
    lab.check("killed: no echo is lost", got.received == got.sent == 1000, f"{got.received} of {got.sent}")


def hang(lab, hg):
    """A daemon that does nothing any more is ended after the unit's minute, and started again."""
    hg.system.run("kill", "-STOP", hg.system.main_process())
    begun = time.monotonic()
    # Each question costs more than the time in which nothing happens.
    time.sleep(25)
    lab.check("hangs: not ended too soon", hg.system.properties("NRestarts")["NRestarts"] == "1")
    lab.wait("hangs: ended by the watchdog", lambda: hg.system.properties("NRestarts")["NRestarts"] == "2", 120, 0.5)
    lab.figure("watchdog_s", time.monotonic() - begun)
    hg.wait_for("hangs: bonded again", is_bonded)
    told = hg.system.run("journalctl", "-u", systemd.PACKAGE, "-o", "cat").stdout
    lab.check("hangs: by the watchdog", "watchdog" in told.lower(), told[-500:])


def restart(lab, hg):
    """`systemctl restart` ends the bond in order and sets it up anew."""
    session = hg.status()["bond"]["session_id"]
    hg.system.run("systemctl", "restart", systemd.PACKAGE)
    hg.wait_for("restarted: bonded anew", lambda status: is_bonded(status) and status["bond"]["session_id"] != session)
    lab.check("restarted: both ways pass", lab.wait("passes", lambda: ping("client", SERVER, 3).received == 3))
