"""A systemd of a host's own: process 1 of namespaces of its own in the host's network, with Debian's dpkg beside it.

It sees this machine's files under a layer in memory, as process 1 of a container does: processes, mounts, names and
control groups are its own. Of units it has Debian's targets, the journal and systemd-sysctl, and what packages bring
that are installed in it. dpkg's list of packages there has what the package of Spillway depends on, and nothing else.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from lab import namespaces, spillway
from lab.scenario import REPOSITORY, Lab
from lab.spillway import Spillway

PACKAGE = "spillway"
CACHE = REPOSITORY / "lab" / ".cache" / "deb"
DPKG_STATUS = CACHE / "status"
CGROUPS = pathlib.Path("/run/lab-cgroups")
WORLDS = pathlib.Path("/run/lab-systemd")
UNITS = pathlib.Path("/usr/lib/systemd/system")
# All targets, and what makes a system of them.
KEPT_UNITS = (
    "*.target", "systemd-journald.service", "systemd-journald*.socket", "systemd-sysctl.service",
)
PROGRAMS = (
    "systemd systemd-executor systemd-journald systemd-sysctl systemd-sysusers systemctl journalctl systemd-analyze "
    "dpkg dpkg-deb dpkg-query dpkg-split diff tar find chown nice ldconfig start-stop-daemon rmdir mv xargs"
).split()
PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/systemd"
LIBRARIES = ("libseccomp.so.2", "libnss_systemd.so.2")

# The first process of the namespaces; it becomes systemd. $1: folder, $2: dpkg's list of packages, rest: units to keep.
BOOT = """
set -eu
world=$1 status=$2; shift 2
mount --make-rprivate /
mkdir -p "$world"
mount -t tmpfs world "$world"
cd "$world"
mkdir upper work root
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work root root
cd root
mkdir -p var
rm -rf var/run
ln -s /run var/run
mkdir -p proc sys dev run tmp root var/tmp var/log var/lib usr/lib/systemd/system etc
rm -rf etc/systemd var/lib/systemd var/lib/dpkg var/log/journal etc/sysctl.d etc/sysctl.conf usr/lib/sysctl.d \
    etc/init.d etc/rc?.d etc/spillway var/lib/spillway var/lib/private usr/sbin/spillway
mkdir kept
for unit; do for file in usr/lib/systemd/system/$unit; do [ ! -f "$file" ] || cp -a "$file" kept; done; done
rm -rf usr/lib/systemd/system
mv kept usr/lib/systemd/system
mkdir -p etc/systemd/system/multi-user.target.wants etc/sysctl.d usr/lib/sysctl.d
mkdir -p usr/lib/systemd/system/sysinit.target.wants
for unit in systemd-journald systemd-sysctl; do
    ln -s "../$unit.service" usr/lib/systemd/system/sysinit.target.wants
done
mkdir -p var/lib/dpkg/info var/lib/dpkg/updates var/lib/dpkg/triggers
cp "$status" var/lib/dpkg/status
echo 0123456789abcdef0123456789abcdef >etc/machine-id
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 dev dev
mknod -m 666 dev/null c 1 3; mknod -m 666 dev/zero c 1 5; mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8; mknod -m 666 dev/urandom c 1 9; mknod -m 666 dev/tty c 5 0
ln -s /proc/self/fd dev/fd; mkdir dev/shm dev/pts dev/mqueue
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts; ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=755 run run
mount -t tmpfs tmp tmp
chmod 1777 tmp var/tmp dev/shm
mount --move . /
exec chroot . /usr/bin/env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    /usr/lib/systemd/systemd --system --unit=multi-user.target --show-status=no
"""


def prepare() -> None:
    """Builds the package twice, the second time with a higher version, unless that was done since something changed."""
    spillway.prepare()
    CACHE.mkdir(parents=True, exist_ok=True)
    subprocess.run([REPOSITORY / "lab" / "install", "lintian"], check=True)
    sources = [spillway.binary(), *(REPOSITORY / "deploy").rglob("*"), *(REPOSITORY / "docs").glob("*")]
    newest = max(file.stat().st_mtime for file in sources)
    if any(not file.exists() or file.stat().st_mtime < newest for file in (package(0), package(1))):
        for number in (0, 1):
            _build(number)
    names = ["libc-bin", "dpkg", "init-system-helpers", "systemd", *_needed()]
    done = subprocess.run(["dpkg-query", "-s", *names], capture_output=True, text=True, check=True)
    # What these need themselves is not the question here.
    stanzas = re.sub(r"(?m)^(Pre-Depends|Depends|Recommends|Breaks|Conflicts):.*\n(?: .*\n)*", "", done.stdout)
    DPKG_STATUS.write_text(re.sub(r"\n\n+(?=Package:)", "\n\n", stanzas))


def package(number: int) -> pathlib.Path:
    """The package as it is shipped (0), or its next version (1)."""
    return CACHE / f"{number}.deb"


def _build(number: int) -> None:
    more = ["--revision", f"+lab{number}"] if number else []
    done = subprocess.run(
        [REPOSITORY / "deploy" / "debian" / "build", *more, "--out", CACHE / "build", spillway.binary().resolve()],
        check=True, text=True, stdout=subprocess.PIPE,
    )
    shutil.copy(done.stdout.strip(), package(number))


def _needed() -> list[str]:
    field = subprocess.run(["dpkg-deb", "-f", package(0), "Depends"], capture_output=True, text=True, check=True)
    return [word.split()[0] for word in field.stdout.split(",") if "|" not in word]


def needs() -> list[pathlib.Path]:
    """For NEEDS: what such a host is made of."""
    files = [spillway.binary(), package(0), package(1), DPKG_STATUS]
    files += [pathlib.Path(found) for name in PROGRAMS if (found := shutil.which(name, path=PATH))]
    files += [file for name in LIBRARIES for file in pathlib.Path("/usr/lib").glob(f"*-linux-gnu/{name}")]
    files += [file for name in KEPT_UNITS for file in UNITS.glob(name)]
    return files


class System:
    """`with System(lab, "hg") as system: system.run("systemctl", "start", …)`"""

    def __init__(self, lab: Lab, host: str):
        self.lab = lab
        self.host = host
        self.console = lab.out / f"{host}-systemd.log"
        self._outer: subprocess.Popen | None = None
        self.process = 0

    def __enter__(self) -> "System":
        begun = time.monotonic()
        group = CGROUPS / self.host
        if not os.path.ismount(CGROUPS):
            CGROUPS.mkdir(parents=True, exist_ok=True)
            namespaces.run(None, "mount", "-t", "cgroup2", "cgroup2", CGROUPS)
        group.mkdir(exist_ok=True)
        # The control group namespace's root is the group that the process is in when it is made.
        script = f"echo $$ >{group}/cgroup.procs; exec unshare --pid --fork --kill-child --mount --ipc --uts --cgroup "
        script += 'sh -c "$0" boot "$@"'
        with open(self.console, "ab") as log:
            self._outer = namespaces.start(
                self.host, "sh", "-c", script, BOOT, WORLDS / self.host, DPKG_STATUS, *KEPT_UNITS,
                stdout=log, stderr=subprocess.STDOUT,
            )
        self.process = self.lab.wait(f"{self.host}: a first process", self._first, 60)
        self.lab.wait(f"{self.host}: systemd answers", self.path("/run/systemd/private").exists, 60)
        state = self.run("systemctl", "is-system-running", "--wait", check=False).stdout.strip()
        failed = self.run("systemctl", "--failed", "--no-legend", "--plain", check=False).stdout.strip()
        self.lab.check(f"{self.host}: systemd has started", state == "running", f"{state} {failed}", required=True)
        self.lab.say(f"systemd in {self.host}: {time.monotonic() - begun:.1f} s")
        return self

    def __exit__(self, *exception) -> None:
        journal = self.run("journalctl", "-b", "-o", "short-monotonic", check=False).stdout
        (self.lab.out / f"{self.host}-journal.log").write_text(journal)
        os.kill(self.process, signal.SIGKILL)
        self._outer.wait(20)

    def _first(self) -> int | None:
        if self._outer.poll() is not None:
            self.lab.check(f"{self.host}: systemd lives", False, self.console.read_text()[-1500:], required=True)
        # `ip netns exec` and sh replace themselves by unshare, whose only child becomes systemd.
        children = pathlib.Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def path(self, file) -> pathlib.Path:
        """A file of that system, as it is seen from here."""
        return pathlib.Path(f"/proc/{self.process}/root{file}")

    def run(self, *command, check: bool = True, timeout: float = 300) -> subprocess.CompletedProcess:
        """Runs a command in that system, as root."""
        words = ["nsenter", "-t", self.process, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "env", "-i"]
        words += ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "TERM=dumb", "SYSTEMD_PAGER=", "HOME=/root"]
        words += ["DEBIAN_FRONTEND=noninteractive", *command]
        done = subprocess.run(
            [str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
        )
        if check and done.returncode != 0:
            said = (done.stdout + done.stderr).strip()[-1500:]
            raise namespaces.CommandError(f"{self.host}: {' '.join(map(str, command))}: {done.returncode}: {said}")
        return done

    def properties(self, *names: str) -> dict[str, str]:
        """What systemd says of the service."""
        shown = self.run("systemctl", "show", PACKAGE, "-p", ",".join(names)).stdout
        return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)

    def main_process(self) -> int:
        """The daemon's number in that system; 0 if it does not run."""
        return int(self.properties("MainPID")["MainPID"])

    def process_status(self, process: int) -> dict[str, str]:
        """/proc/PID/status of one of its processes."""
        lines = self.path(f"/proc/{process}/status").read_text().splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


class Service(Spillway):
    """The daemon as a service of such a system, by the unit and the files of its package, with settings in
    /etc/spillway."""

    def __init__(self, lab: Lab, system: System, value: dict):
        self.system = system
        super().__init__(lab, system.host, value)

    def configure(self, value: dict) -> None:
        # Sockets, state and log are where the package has them.
        kept = {key: item for key, item in value.items() if key not in ("control", "state", "log")}
        super().configure(kept)
        self.system.path("/etc/spillway/spillway.toml").write_text(self.file.read_text())
        self.value = kept | {"control": {"socket": str(self.system.path("/run/spillway/control.sock"))}}

    def start(self) -> None:
        self.system.run("systemctl", "start", PACKAGE)

    def reload(self) -> None:
        self.system.run("systemctl", "reload", PACKAGE)

    def stop(self, timeout: float = 60) -> int | None:
        self.system.run("systemctl", "stop", PACKAGE, check=False, timeout=timeout)
        return None

    def kill(self) -> None:
        """kill -9 of the daemon alone, as a crash would have it; systemd starts it again."""
        self.system.run("kill", "-9", self.system.main_process())

    def alive(self) -> bool:
        # While it is being started again it is alive, too.
        return self.system.properties("ActiveState")["ActiveState"] in ("active", "activating", "reloading")

    def log(self) -> str:
        return self.system.run("journalctl", "-u", PACKAGE, "-o", "cat", check=False).stdout
