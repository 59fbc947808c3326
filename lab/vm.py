"""A virtual machine that runs one script on this machine's own files under Debian's kernel.

The root file system is shared read-only and covered by a layer in memory: everything installed here is there, at the
same paths, and nothing written inside stays, except what goes into the folder for results.

Two clocks:
- real time: two processors; for function, about 15 Mbit/s end to end.
- virtual time: one processor, one instruction is one nanosecond, idle time is skipped. Figures repeat whatever else
  this machine does; a `sleep 60` takes no time; traffic costs many seconds of wall time for one of its own.
  Waiting for a shared file is idle time too, so for figures the machine must live in its memory (lab/memory.py).
"""

import ctypes
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty

from lab import kernel as kernels
from lab import memory

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
TROUBLE = re.compile(r"Kernel panic|\bOops\b|\bBUG: |general protection fault|soft lockup|rcu.*detected stall|lab: no ")

# PID 1 of the virtual machine. What the command prints goes to the second serial port; the first is the kernel's.
GUEST = """#!/bin/bash
exec </dev/ttyS1 >/dev/ttyS1 2>&1
{environment}
{terminal}
cd {folder}
ip link set lo up
mkdir -p /run/netns
modprobe -qa {modules}
{setsid} {command}
echo $? >{status}
sync
echo o >/proc/sysrq-trigger
sleep 60
"""

# NFQUEUE and netfilter's netlink do not always load by themselves from a namespace without a request by name.
MODULES = "veth dummy nf_tables nfnetlink_queue"


class MachineError(Exception):
    """The virtual machine did not start, did not end, or its kernel failed."""


class Machine:
    """One boot. `run` returns the exit status of the command.

    `out` is the folder for results that is shared; `private`, in it, is where console and script of this machine go
    when several share one folder. `timeout` is in wall seconds. `in_memory`: live in memory, with these files besides
    what memory.archive brings; results then reach `out` by `lab.scenario.publish`.
    """

    def __init__(
        self,
        out: pathlib.Path,
        virtual_time: bool = False,
        memory_mb: int = 3072,
        timeout: float = 600,
        interactive: bool = False,
        processors: int = 2,
        append: str = "",
        icount_shift: str = "0",
        private: pathlib.Path | None = None,
        in_memory: list[pathlib.Path] | None = None,
    ):
        self.out = pathlib.Path(out).resolve()
        self.private = pathlib.Path(private or out).resolve()
        self.virtual_time = virtual_time
        self.memory_mb = memory_mb
        self.timeout = timeout
        self.interactive = interactive
        self.processors = processors
        self.append = append
        self.icount_shift = icount_shift
        self.in_memory = in_memory
        self.console = self.private / "console.log"
        self._children: list[subprocess.Popen] = []
        self._folder: pathlib.Path | None = None

    def run(self, command: list[str], environment: dict[str, str] | None = None, relay=None) -> int:
        """Boots, runs `command` in the repository's folder, powers off.

        `relay` takes each piece of what the command prints (bytes); default is standard output.
        Raises MachineError when the machine itself failed.
        """
        kernel = kernels.prepare(lambda text: print(text, file=sys.stderr, flush=True))
        self.private.mkdir(parents=True, exist_ok=True)
        status = self.private / "exit-status"
        status.unlink(missing_ok=True)
        self._write_guest(command, environment or {})
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="spillway-lab-"))
        main_thread = threading.current_thread() is threading.main_thread()
        previous = signal.signal(signal.SIGTERM, _leave) if main_thread else None
        try:
            self._share("rootfs", pathlib.Path("/"), read_only=True)
            self._share("out", self.out, read_only=False)
            timed_out = self._boot(kernel, relay or to_stdout)
        finally:
            self._clean_up()
            if main_thread:
                signal.signal(signal.SIGTERM, previous)
        trouble = [line for line in self.console_text().splitlines() if TROUBLE.search(line)]
        if trouble:
            raise MachineError(f"the kernel failed: {trouble[0].strip()} (see {self.console})")
        if timed_out:
            raise MachineError(f"not finished after {self.timeout:.0f} s (see {self.console})")
        if not status.exists():
            raise MachineError(f"the virtual machine ended without a result (see {self.console})")
        return int(status.read_text())

    def cpu_seconds(self) -> float:
        """What the machine and its file servers have used of this machine's processors so far."""
        ticks = 0
        for child in self._children:
            try:
                # Behind the name in brackets: user and system time are the fields 14 and 15.
                words = pathlib.Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            ticks += int(words[11]) + int(words[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def console_text(self) -> str:
        """What the kernel printed on its console."""
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def _write_guest(self, command: list[str], environment: dict[str, str]) -> None:
        carried = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        carried["PATH"] = carried.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin"
        carried["SPILLWAY_LAB_MACHINE"] = "virtual time" if self.virtual_time else "real time"
        carried["TERM"] = os.environ.get("TERM", "linux") if self.interactive else "dumb"
        carried |= environment
        terminal = "stty -F /dev/ttyS1 115200 raw -echo"
        if self.interactive:
            terminal = "stty -F /dev/ttyS1 115200 sane"
            if sys.stdin.isatty():
                size = os.get_terminal_size(sys.stdin.fileno())
                terminal += f" rows {size.lines} cols {size.columns}"
        guest = GUEST.format(
            terminal=terminal,
            environment="\n".join(f"export {name}={shlex.quote(value)}" for name, value in carried.items()),
            folder=shlex.quote(str(REPOSITORY)),
            modules=MODULES,
            # A session of its own with the port as its terminal, so that Ctrl-C works.
            setsid="setsid -cw" if self.interactive else "",
            command=shlex.join(command),
            status=("/full" if self.in_memory is not None else "") + shlex.quote(str(self.private / "exit-status")),
        )
        (self.private / "guest.sh").write_text(guest)

    def _share(self, tag: str, source: pathlib.Path, read_only: bool) -> None:
        """Starts a virtiofsd; the option names differ between QEMU's own (Debian 12) and the one in Rust."""
        socket = self._folder / f"{tag}.sock"
        log = open(self._folder / f"{tag}.log", "wb")
        cache = "always" if read_only else "auto"
        old = pathlib.Path("/usr/lib/qemu/virtiofsd")
        new = shutil.which("virtiofsd") or "/usr/libexec/virtiofsd"
        if old.exists():
            options = ["-o", f"source={source}", "-o", f"cache={cache}", "-o", "sandbox=chroot", "--thread-pool-size=2"]
            command = [str(old), f"--socket-path={socket}", *options]
        elif pathlib.Path(new).exists():
            command = [new, f"--socket-path={socket}", f"--shared-dir={source}", f"--cache={cache}", "--sandbox=chroot"]
        else:
            raise MachineError("virtiofsd is missing: lab/install")
        self._spawn(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not socket.exists():
            if self._children[-1].poll() is not None or time.monotonic() > deadline:
                raise MachineError("virtiofsd did not start: " + pathlib.Path(log.name).read_text(errors="replace"))
            time.sleep(0.02)

    def _boot(self, kernel: kernels.Kernel, relay) -> bool:
        if self.virtual_time:
            clock = ["-accel", "tcg", "-icount", f"shift={self.icount_shift},sleep=off", "-smp", "1"]
        elif os.environ.get("SPILLWAY_LAB_KVM") == "1":
            # Asked for by name only: there are machines whose /dev/kvm hangs the kernel at boot.
            clock = ["-accel", "kvm", "-smp", str(self.processors)]
        else:
            clock = ["-accel", "tcg,thread=multi", "-smp", str(self.processors)]
        # What costs instructions and is not measured: byte-wise string moves (TCG does them one by one), mitigations,
        # zeroing of fresh memory, the watchdog. Together 20 to 25 % of the wall time under load. And TCG translates code
        # anew for each address that it is at: programs and libraries at the same ones every time save a third of it.
        words = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr norandmaps tsc=reliable init_on_alloc=0"
        words += " nowatchdog audit=0"
        words += f" lab.modules={kernel.modules} lab.out={self.out} lab.guest={self.private}/guest.sh"
        words += f" {self.append}"
        initramfs = kernel.initramfs
        if self.in_memory is not None:
            # The kernel unpacks archives that follow each other.
            initramfs = self._folder / "initramfs"
            initramfs.write_bytes(
                kernel.initramfs.read_bytes() + memory.archive(kernel, REPOSITORY, self.in_memory)
            )
            words += " lab.memory"
        size = f"{self.memory_mb}M"
        command = ["qemu-system-x86_64", *clock, "-cpu", "max,-erms,-fsrm", "-m", size]
        command += ["-object", f"memory-backend-memfd,id=memory,size={size},share=on", "-numa", "node,memdev=memory"]
        for tag in ("rootfs", "out"):
            command += ["-chardev", f"socket,id={tag},path={self._folder}/{tag}.sock"]
            command += ["-device", f"vhost-user-fs-pci,chardev={tag},tag={tag}"]
        command += ["-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot"]
        command += ["-serial", f"file:{self.console}", "-chardev", "stdio,id=terminal,signal=off"]
        command += ["-serial", "chardev:terminal"]
        command += ["-kernel", str(kernel.image), "-initrd", str(initramfs), "-append", words]
        with open(self._folder / "qemu.log", "wb") as log:
            machine = self._spawn(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        timed_out = self._relay(machine, relay)
        if machine.returncode not in (0, None) and not timed_out:
            reason = (self._folder / "qemu.log").read_text(errors="replace").strip()
            raise MachineError(f"qemu ended with status {machine.returncode}: {reason}")
        return timed_out

    def _relay(self, machine: subprocess.Popen, relay) -> bool:
        """Carries the terminal until the machine ends. True: it did not end in time."""
        deadline = time.monotonic() + self.timeout
        keyboard = sys.stdin.fileno() if self.interactive else None
        saved = None
        if keyboard is not None and os.isatty(keyboard):
            saved = termios.tcgetattr(keyboard)
            tty.setraw(keyboard)
        watched = [machine.stdout] + ([keyboard] if keyboard is not None else [])
        try:
            while True:
                left = deadline - time.monotonic()
                if left <= 0 and not self.interactive:
                    return True
                ready, _, _ = select.select(watched, [], [], 1 if self.interactive else min(left, 1))
                if keyboard in ready:
                    typed = os.read(keyboard, 4096)
                    if typed:
                        machine.stdin.write(typed)
                        machine.stdin.flush()
                    else:
                        watched.remove(keyboard)
                        # End of what is piped in: the shell inside shall see it too.
                        machine.stdin.write(b"\x04")
                        machine.stdin.flush()
                if machine.stdout in ready:
                    piece = os.read(machine.stdout.fileno(), 65536)
                    if not piece:
                        machine.wait(timeout=30)
                        return False
                    relay(piece)
        finally:
            if saved is not None:
                termios.tcsetattr(keyboard, termios.TCSADRAIN, saved)

    def _spawn(self, command: list[str], **streams) -> subprocess.Popen:
        child = subprocess.Popen(command, start_new_session=True, preexec_fn=_die_with_parent, **streams)
        self._children.append(child)
        return child

    def _clean_up(self) -> None:
        for child in reversed(self._children):
            if child.poll() is None:
                child.terminate()
        for child in self._children:
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._children = []
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _die_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _leave(number, frame) -> None:
    # As an exception, so that what was started is ended on the way out.
    raise SystemExit(128 + number)


def to_stdout(piece: bytes) -> None:
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
