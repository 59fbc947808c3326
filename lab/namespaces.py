"""Network namespaces: run a command in one, open a socket or file in one."""

import contextlib
import ctypes
import os
import subprocess

# What the daemons of the lab remember.
STATE = "/run/spillway"
NETNS = "/run/netns"
CLONE_NEWNET = 0x40000000
CLONE_NEWNS = 0x00020000
MS_REC, MS_PRIVATE = 0x4000, 0x40000

_libc = ctypes.CDLL(None, use_errno=True)


class CommandError(Exception):
    """A command failed; the message has its words."""


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def make_names_private() -> None:
    """Gives this process its own /run/netns, so that names here never meet those of the machine, and its own folder for
    what daemons remember."""
    _check(_libc.unshare(CLONE_NEWNS), "unshare")
    _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "make mounts private")
    for folder in (NETNS, STATE):
        os.makedirs(folder, exist_ok=True)
        _check(_libc.mount(b"lab", folder.encode(), b"tmpfs", 0, None), f"mount {folder}")


@contextlib.contextmanager
def inside(name: str):
    """Sockets and files of /proc/net opened in this block belong to the namespace, also afterwards."""
    with open("/proc/thread-self/ns/net") as home, open(f"{NETNS}/{name}") as there:
        _check(_libc.setns(there.fileno(), CLONE_NEWNET), f"enter {name}")
        try:
            yield
        finally:
            _check(_libc.setns(home.fileno(), CLONE_NEWNET), "leave")


def run(name: str | None, *command, check: bool = True, timeout: float = 60, text: str | None = None) -> str:
    """Runs a command in a namespace (None: where the lab is) and returns its output.

    `timeout` is in seconds of the clock inside. Raises CommandError with what the command said.
    """
    words = [str(word) for word in command]
    if name is not None:
        # ip and tc enter by themselves, which saves a process.
        if words[0] in ("ip", "tc"):
            words[1:1] = ["-n", name]
        else:
            words = ["ip", "netns", "exec", name, *words]
    done = subprocess.run(
        words, input=text if text is not None else "", text=True, capture_output=True, timeout=timeout, errors="replace"
    )
    if check and done.returncode != 0:
        raise CommandError(f"{' '.join(words)}: status {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def start(name: str, *command, **streams) -> subprocess.Popen:
    """Starts a command in a namespace; whoever starts it ends it."""
    words = ["ip", "netns", "exec", name, *[str(word) for word in command]]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, **streams)
