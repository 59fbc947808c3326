"""The Debian package under systemd: installed, upgraded over itself under traffic, removed, purged (village)."""

import re
import subprocess
import time

from lab import namespaces, systemd
from lab.measure import flow, state
from lab.measure.ping import Pinger, ping
from lab.scenarios.adopt import devices
from lab.spillway import Spillway, is_bonded, settings
from lab.systemd import Service, System
from lab.topology import CLIENT, SERVER, Topology

VIRTUAL_TIME = True
NEEDS = systemd.needs()
ECHOES, PACE = 2000, 0.005
# DSL has 8, LTE 16.
MBIT, SECONDS = 12, 8
FILES = (
    "/usr/sbin/spillway", "/usr/lib/systemd/system/spillway.service", "/etc/spillway/spillway.toml",
    "/usr/share/man/man8/spillway.8.gz", "/usr/lib/sysctl.d/60-spillway.conf",
)
# What systemd-sysusers writes beside the list of users, and the folder that systemd has for all state.
OTHERS = {"/etc/.pwd.lock", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/var/lib/private"}
OTHERS |= {"/etc/shadow", "/etc/gshadow"}
FORWARDING = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")

prepare = systemd.prepare


def run(lab):
    with Topology.load("village") as network:
        namespaces.run("hg", "sysctl", "-qw", *[f"{name}=0" for name in FORWARDING])
        haap = Spillway(lab, "haap", settings("haap", network, session={"active_hello_interval": "10 s"}))
        with haap, System(lab, "hg") as system:
            clean = files(system)
            installed(lab, system)
            before = state.settled(lab, "hg")
            hg = Service(lab, system, settings("hg", network))
            system.run("systemctl", "enable", "--now", systemd.PACKAGE)
            has_all = lambda status: is_bonded(status) and status["addresses"].get("address")
            hg.wait_for("bonded", has_all)
            lab.wait("both ways pass", lambda: ping("client", SERVER, 3).received == 3)
            upgraded(lab, hg)
            removed(lab, hg, before)
            purged(lab, system, clean)


def files(system) -> set[str]:
    """All files of the system, but logs, dpkg's own, and what it has of users."""
    found = system.run("find", "/etc", "/usr", "/var", "-xdev", "-path", "/var/lib/dpkg", "-prune", "-o", "-print")
    running = system.run("find", "/run", "-name", "*spillway*").stdout.splitlines()
    names = {name for name in found.stdout.splitlines() if not name.startswith("/var/log")}
    return (names | set(running)) - OTHERS


def version(system) -> str:
    return system.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Version}", systemd.PACKAGE).stdout


def installed(lab, system):
    """Nothing starts by itself; forwarding is on."""
    begun = time.monotonic()
    system.run("dpkg", "-i", systemd.package(0))
    lab.figure("install_s", time.monotonic() - begun)
    lab.check("installed", version(system).startswith("ii "), version(system))
    for name in FILES:
        lab.check(f"installed: {name}", system.path(name).is_file())
    enabled = system.run("systemctl", "is-enabled", systemd.PACKAGE, check=False).stdout.strip()
    active = system.run("systemctl", "is-active", systemd.PACKAGE, check=False).stdout.strip()
    lab.check("installed: nothing starts", (enabled, active) == ("disabled", "inactive"), f"{enabled} {active}")
    values = namespaces.run("hg", "sysctl", "-n", *FORWARDING).split()
    lab.check("installed: forwarding is on", values == ["1", "1"], str(values))


def upgraded(lab, hg):
    """The next version over the one that runs, while echoes pass, and then the first over that while both legs are used
    both ways. What LTE carries has to be found before: datagrams are lost meanwhile."""
    for number, load in ((1, echoes), (0, datagrams)):
        system = hg.system
        old = version(system)
        before = system.main_process(), hg.status()["bond"]["session_id"], devices("hg")
        text = system.path("/etc/spillway/spillway.toml").read_text()
        name = f"{'up' if number else 'down'}graded under {load.__name__}"
        if load is datagrams:
            for _, each in flows(6):
                each.result()
        ended = load(lab, name)
        time.sleep(1)
        begun = time.monotonic()
        system.run("dpkg", "-i", systemd.package(number))
        lab.figure(f"{load.__name__}_dpkg_s", time.monotonic() - begun)
        lab.wait(f"{name}: another process", lambda: system.main_process() not in (0, before[0]))
        hg.wait_for(f"{name}: bonded", is_bonded)
        lab.figure(f"{load.__name__}_until_it_runs_s", time.monotonic() - begun)
        lab.check(f"{name}: another version", version(system) != old, f"{old} then {version(system)}")
        now = hg.status()["bond"]["session_id"]
        lab.check(f"{name}: the same session", now == before[1], f"{before[1]} then {now}")
        lab.check(f"{name}: the same devices", devices("hg") == before[2], f"{before[2]} then {devices('hg')}")
        runs = system.path(f"/proc/{system.main_process()}/exe").samefile(system.path("/usr/sbin/spillway"))
        lab.check(f"{name}: the new file runs", runs)
        kept = system.path("/etc/spillway/spillway.toml").read_text() == text
        lab.check(f"{name}: settings are kept", kept)
        ended()


def echoes(lab, name):
    pinger = Pinger("client", SERVER, ECHOES, interval=PACE)

    def ended():
        got = pinger.result()
        lab.figure("echoes_lost", got.sent - got.received)
        lab.check(f"{name}: none is lost", got.received == got.sent == ECHOES, f"{got.received} of {got.sent}")

    return ended


def flows(seconds):
    ends = (("up", ("client", "server", SERVER), 5301), ("down", ("server", "client", CLIENT), 5302))
    return [(way, flow.UDP(*hosts, seconds, mbit=MBIT, size=1200, port=port)) for way, hosts, port in ends]


def datagrams(lab, name):
    running = flows(SECONDS)

    def ended():
        before = [each.received for _, each in running]
        time.sleep(0.5)
        lab.check(f"{name}: they go on", all(each.received > had for (_, each), had in zip(running, before)))
        for way, each in running:
            got = each.result()
            lab.figure(f"datagrams_{way}_lost", got.lost)
            missing = set(range(got.sent)) - {number for _, number in got.arrivals}
            when = sorted({number * SECONDS * 10 // got.sent for number in missing})
            lab.say(f"{way}: sent in these tenths of a second and lost: {when}")
            lab.figure(f"datagrams_{way}_longest_gap_ms", got.longest_gap_ms)
            lab.check(f"{name}, {way}: none is lost", got.lost == 0 and got.sent > 3000, f"{got.lost} of {got.sent}")

    return ended


def removed(lab, hg, before):
    """`dpkg -r` stops it; settings and leases stay."""
    system = hg.system
    system.run("dpkg", "-r", systemd.PACKAGE)
    lab.check("removed: it does not run", not system.run("pgrep", "-x", "spillway", check=False).stdout)
    left = state.difference(before, state.settled(lab, "hg"))
    lab.check("removed: nothing is left in the kernel", not left, "; ".join(left)[:1500])
    kept = system.path("/etc/spillway/spillway.toml").exists() and not system.path("/usr/sbin/spillway").exists()
    lab.check("removed: settings are kept", kept, version(system))


def purged(lab, system, clean):
    system.run("dpkg", "-P", systemd.PACKAGE)
    left = files(system) - clean
    lab.check("purged: no file is left", not left, " ".join(sorted(left))[:1500])
    known = system.run("systemctl", "list-unit-files", "--no-legend", "spillway*", check=False).stdout.strip()
    lab.check("purged: systemd does not know it", not known, known)


def judge(folder):
    command = ["lintian", "--allow-root", "--fail-on", "error", systemd.package(0)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    found = [line for line in done.stdout.splitlines() if re.match("[EWP]: ", line)]
    (folder / "lintian.txt").write_text(done.stdout + done.stderr)
    yield "lintian finds no error", done.returncode == 0, "; ".join(found)
