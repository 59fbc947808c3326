"""The small root file system of a machine on the virtual clock: everything a scenario touches, in its memory.

On the virtual clock, waiting for this machine's disk is idle time, and idle time is skipped: a program started from a
shared folder would make the clock jump to the next timer, be it a minute away. So nothing may be fetched from outside
while a scenario runs, and figures repeat. The whole root file system stays reachable under /full for what comes after.
"""

import os
import pathlib
import re
import shutil
import stat
import subprocess
import sysconfig

from lab import kernel as kernels

FULL = pathlib.Path("/full")

COMMANDS = (
    "bash sh env cat cp chroot chmod date grep head id kill ln ls mkdir mount rm sed sleep stty sync tail touch tr "
    "true false uname wc sort cut awk setsid timeout mknod dd seq nproc ps ss pgrep "
    "ip tc nft sysctl modprobe insmod ethtool ping iperf3 tcpdump bpftool unshare nsenter"
).split()
FILES = (
    "/etc/passwd /etc/group /etc/nsswitch.conf /etc/protocols /etc/services /etc/hosts /etc/iproute2 "
    "/usr/share/iproute2 /usr/lib/locale/C.utf8 /etc/ld.so.cache /etc/ld.so.conf /etc/ld.so.conf.d"
).split()
PYTHON_LEFT_OUT = ("test", "idlelib", "lib2to3", "pydoc_data", "tkinter", "ensurepip", "distutils", "dist-packages")
MODULE_FOLDERS = ("net", "crypto", "arch/x86/crypto", "lib")
DRIVERS = ("veth", "dummy", "ifb", "tun", "wireguard/wireguard", "bonding/bonding")
MODULE_FILES = tuple(f"drivers/net/{name}.ko" for name in DRIVERS)


def archive(kernel: kernels.Kernel, repository: pathlib.Path, extra: list[pathlib.Path]) -> bytes:
    """An initramfs of the commands, the Python that runs the lab, the lab itself, the network's kernel modules, and
    `extra` files (with the libraries they need)."""
    paths: set[pathlib.Path] = set()
    programs = [pathlib.Path(found) for name in COMMANDS if (found := shutil.which(name, path=_path()))]
    programs += [pathlib.Path("/usr/bin/python3"), *[file for file in extra if os.access(file, os.X_OK)]]
    for program in programs:
        _add(paths, program)
    _add(paths, pathlib.Path("/bin"), pathlib.Path("/sbin"), pathlib.Path("/lib"), pathlib.Path("/lib64"))
    python = pathlib.Path(sysconfig.get_path("stdlib"))
    dynamic = list((python / "lib-dynload").glob("*.so"))
    for library in _libraries([*programs, *dynamic]):
        _add(paths, library)
    for file in [*map(pathlib.Path, FILES), *extra]:
        _add_tree(paths, file)
    for entry in python.iterdir():
        if entry.name not in PYTHON_LEFT_OUT and not entry.name.startswith("config-"):
            _add_tree(paths, entry)
    for entry in (repository / "lab").iterdir():
        if entry.name not in (".cache", "out"):
            _add_tree(paths, entry)

    entries = [_entry(path) for path in sorted(_with_parents(paths))]
    entries += _module_entries(kernel)
    return kernels.cpio([entry for entry in entries if entry is not None])


def _path() -> str:
    return "/usr/sbin:/usr/bin:/sbin:/bin"


def _add(paths: set[pathlib.Path], *items: pathlib.Path) -> None:
    """Adds a path and, where it or a folder above is a link, what that points to."""
    for item in items:
        item = pathlib.Path(os.path.abspath(item))
        # Links among the folders above, for example /lib -> usr/lib: the archive must name the file behind them.
        above = item.parent.resolve() / item.name
        for folder in item.parents:
            if folder.is_symlink():
                paths.add(folder)
        paths.add(above)
        if above.is_symlink():
            _add(paths, above.parent / os.readlink(above))


def _add_tree(paths: set[pathlib.Path], item: pathlib.Path) -> None:
    if not item.exists():
        return
    _add(paths, item)
    if item.is_dir():
        for folder, _, files in os.walk(item.resolve()):
            paths.add(pathlib.Path(folder))
            for file in files:
                _add(paths, pathlib.Path(folder) / file)


def _with_parents(paths: set[pathlib.Path]) -> set[pathlib.Path]:
    everything = set(paths)
    for path in paths:
        everything.update(path.parents)
    everything.discard(pathlib.Path("/"))
    return everything


def _libraries(programs: list[pathlib.Path]) -> set[pathlib.Path]:
    found: set[pathlib.Path] = set()
    # ldd takes many at once; scripts among them only make it complain.
    words = ["ldd", *[str(program) for program in programs]]
    output = subprocess.run(words, capture_output=True, text=True, timeout=120).stdout
    for match in re.finditer(r"(?:=> )?(/\S+) \(0x", output):
        found.add(pathlib.Path(match[1]))
    return found


def _entry(path: pathlib.Path) -> tuple | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    name = str(path)[1:]
    if stat.S_ISLNK(status.st_mode):
        return (name, stat.S_IFLNK | 0o777, os.readlink(path).encode(), 0)
    if stat.S_ISDIR(status.st_mode):
        return (name, stat.S_IFDIR | 0o755, b"", 0)
    if stat.S_ISREG(status.st_mode):
        # The time of change matters: Python keeps compiled files only for the source of just that time.
        return (name, stat.S_IFREG | (status.st_mode & 0o777), path.read_bytes(), int(status.st_mtime))
    return None


def _module_entries(kernel: kernels.Kernel) -> list[tuple]:
    source = kernel.modules / kernel.version
    files = [file for folder in MODULE_FOLDERS for file in (source / "kernel" / folder).rglob("*.ko*")]
    files += [file for name in MODULE_FILES for file in (source / "kernel").glob(name + "*")]
    files += source.glob("modules.*")
    prefix = ("usr/lib" if pathlib.Path("/lib").is_symlink() else "lib") + f"/modules/{kernel.version}"
    entries, folders = [], set()
    for file in files:
        name = pathlib.Path(prefix) / file.relative_to(source)
        folders.update(name.parents)
        entries.append((str(name), stat.S_IFREG | 0o644, file.read_bytes(), 0))
    folders.discard(pathlib.Path("."))
    return [(str(folder), stat.S_IFDIR | 0o755, b"", 0) for folder in sorted(folders)] + entries
