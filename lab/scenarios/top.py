"""spillway top in a real terminal (tmux): live, resized, without colours, ended by q and by a signal (village)."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time

from lab import spillway
from lab.scenario import REPOSITORY
from lab.spillway import Spillway, is_bonded, settings
from lab.topology import CLIENT, Topology

VIRTUAL_TIME = True
NEEDS = [spillway.binary(), pathlib.Path("/usr/bin/tmux"), pathlib.Path("/lib/terminfo")]


def prepare():
    spillway.prepare()
    subprocess.run([REPOSITORY / "lab/install", "tmux"], check=True)


def run(lab):
    from lab.scenarios.page import send

    with Topology.load("village") as network:
        haap, hg = Spillway(lab, "haap", settings("haap", network)), Spillway(lab, "hg", settings("hg", network))
        with haap, hg:
            hg.wait_for("bonded", is_bonded, seconds=120)
            traffic = send("server", CLIENT, 10)
            try:
                for daemon in (hg, haap):
                    plain(lab, daemon)
                gateway(lab, network, hg)
                aggregation(lab, haap)
            finally:
                traffic.kill()
                traffic.wait()
                tmux("kill-server", check=False)


def tmux(*words, check: bool = True) -> str:
    done = subprocess.run(["tmux", "-L", "lab", "-f", "/dev/null", *map(str, words)], capture_output=True, text=True,
                          env=os.environ | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"})
    if check and done.returncode != 0:
        raise RuntimeError(f"tmux {words}: {done.stderr}")
    return done.stdout


def screen(*options) -> str:
    return tmux("capture-pane", "-p", *options, "-t", "top")


def begin(daemon, width: int, height: int, environment: str = "") -> None:
    """A shell in a terminal of this size, and `spillway top` in it."""
    tmux("new-session", "-d", "-s", "top", "-x", width, "-y", height, "env", "PS1=ready> ", "sh")
    socket = daemon.value["control"]["socket"]
    tmux("send-keys", "-t", "top", f"{environment} {spillway.binary()} top --socket {socket}", "Enter")


def plain(lab, daemon):
    """Without a terminal: once, no orders to a terminal; and as JSON."""
    done = spillway.command("top", daemon)
    (lab.out / f"{daemon.host}-plain.txt").write_text(done.stdout)
    lab.check(f"{daemon.host}: once, plain", done.returncode == 0 and "LEG" in done.stdout and "\x1b" not in done.stdout)
    answer = json.loads(spillway.command("top", daemon, "--json").stdout)
    legs = {leg["name"]: leg for leg in answer["legs"]}
    lab.check(f"{daemon.host}: JSON", answer["role"] == daemon.host and set(legs) == {"dsl", "lte"}, str(answer)[:300])


def gateway(lab, network, hg):
    begin(hg, 120, 30)
    lab.wait("the screen", lambda: "overflow" in screen(), seconds=30)
    lab.wait("rates are live", lambda: re.search(r"DSL +up +[1-9][\d.]* [kM]bit/s", screen()), seconds=30)
    coloured = screen("-e")
    lab.check("colours", "\x1b[32m" in coloured and "\x1b[" in coloured)
    network.lte.carrier(False)
    lab.wait("a lost leg is seen", lambda: "carrier_lost" in screen() and "leg-down" in screen(), seconds=30)
    (lab.out / "hg-120.txt").write_text(screen("-e"))
    network.lte.carrier(True)
    hg.wait_for("bonded again", is_bonded, seconds=120)
    for width, height in ((60, 15), (200, 50)):
        tmux("resize-window", "-t", "top", "-x", width, "-y", height)
        lab.wait(f"{width} columns", lambda: fits(screen(), width, height), seconds=30)
        time.sleep(2.5)
        (lab.out / f"hg-{width}.txt").write_text(screen("-e"))
        lab.check(f"{width} columns: stays whole", fits(screen(), width, height), screen()[:200])
    tmux("send-keys", "-t", "top", "q")
    restored(lab, "q")
    socket = hg.value["control"]["socket"]
    tmux("send-keys", "-t", "top", f"{spillway.binary()} top --socket {socket}", "Enter")
    lab.wait("again", lambda: "overflow" in screen(), seconds=30)
    process = int(subprocess.run(["pgrep", "-f", f"{spillway.binary()} top"], capture_output=True, text=True).stdout.split()[0])
    os.kill(process, signal.SIGTERM)
    restored(lab, "SIGTERM")
    tmux("send-keys", "-t", "top", f"NO_COLOR=1 {spillway.binary()} top --socket {socket}", "Enter")
    lab.wait("without colours", lambda: "overflow" in screen(), seconds=30)
    lab.check("NO_COLOR", not re.search(r"\x1b\[(?!0?m|39m)[\d;]*m", screen("-e")), repr(screen("-e")[:200]))
    hg.kill()
    lab.wait("the daemon is gone", lambda: "no answer from the daemon" in screen(), seconds=30)
    tmux("send-keys", "-t", "top", "C-c")
    restored(lab, "Ctrl-C")
    tmux("kill-session", "-t", "top")
    hg.start()
    hg.wait_for("bonded once more", is_bonded, seconds=180)


def fits(text: str, width: int, height: int) -> bool:
    """The heading is on top once, the legs are there, and nothing is wider or higher than the screen."""
    lines = text.rstrip("\n").splitlines()
    heads = [line for line in lines if line.startswith("spillway home gateway")]
    return (len(lines) <= height and all(len(line) <= width for line in lines) and len(heads) == 1
            and lines[0] == heads[0] and any(line.startswith("LTE") for line in lines))


def restored(lab, how: str) -> None:
    """The shell is back on its own screen, with echo and a cursor."""
    lab.wait(f"{how}: the shell is back", lambda: screen().rstrip().endswith("ready>") and "overflow" not in screen(),
             seconds=30)
    tmux("send-keys", "-t", "top", "stty -a; echo done", "Enter")
    lab.wait("stty", lambda: "\ndone" in screen(), seconds=20)
    text = screen()
    lab.check(f"{how}: echo and lines", all(word in text.split() for word in ("icanon", "echo", "isig")), text)
    flags = tmux("display-message", "-p", "-t", "top", "#{cursor_flag} #{alternate_on} #{wrap_flag}").split()
    lab.check(f"{how}: cursor, screen, wrapping", flags == ["1", "0", "1"], str(flags))
    tmux("send-keys", "-R", "-t", "top", "Enter")


def aggregation(lab, haap):
    begin(haap, 100, 30)
    lab.wait("an aggregation point's bonds", lambda: spillway.CIN in screen() and "Busiest bonds" in screen(), seconds=60)
    (lab.out / "haap-100.txt").write_text(screen("-e"))
    tmux("send-keys", "-t", "top", "q")
    restored(lab, "q at the aggregation point")
