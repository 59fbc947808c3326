"""The kernel the virtual machine boots: Debian's cloud image, unpacked into lab/.cache and never installed.

Debian's package is small (26 MB), and has GRE, netem, police, NFQUEUE, ESP and virtiofs as modules.
The initramfs made here does one thing: mount the machine's own root file system and start a script on it.
"""

import fcntl
import lzma
import os
import pathlib
import shutil
import stat
import subprocess

LAB = pathlib.Path(__file__).resolve().parent
CACHE = LAB / ".cache"
META_PACKAGE = "linux-image-cloud-amd64"

# Init of the initramfs. The command line of the kernel says where things go:
#   lab.modules=DIR  folder of the unpacked modules, as seen from the machine's root
#   lab.out=DIR      where the share for results is mounted (its path on the machine, so that paths mean the same)
INIT = """#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for word in $(cat /proc/cmdline); do
    case $word in
        lab.modules=*) modules=${word#lab.modules=} ;;
        lab.out=*) out=${word#lab.out=} ;;
    esac
done
for module in $(cat /modules/order); do insmod /modules/$module || echo "lab: cannot load $module"; done
mount -t virtiofs -o ro rootfs /lower || { echo "lab: no root file system"; poweroff -f; }
mount -t tmpfs -o size=75% overlay /over; mkdir /over/upper /over/work
mount -t overlay -o lowerdir=/lower,upperdir=/over/upper,workdir=/over/work root /new || poweroff -f
mkdir -p /new/lib/modules
mount -o bind /lower$modules /new/lib/modules
mount -t proc proc /new/proc; mount -t sysfs sys /new/sys; mount -t devtmpfs dev /new/dev
mkdir -p /new/dev/pts /new/dev/shm
mount -t devpts devpts /new/dev/pts; mount -t tmpfs shm /new/dev/shm; mount -t tmpfs run /new/run
mount -t cgroup2 none /new/sys/fs/cgroup 2>/dev/null
mkdir -p /new$out
mount -t virtiofs -o rw out /new$out || { echo "lab: no share for results"; poweroff -f; }
exec switch_root /new /bin/bash $out/guest.sh
"""

APPLETS = ["sh", "mount", "insmod", "mkdir", "switch_root", "cat", "echo", "poweroff"]


class Kernel:
    """Paths of a kernel that is ready to boot."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.image = folder / "vmlinuz"
        self.initramfs = folder / "initramfs"
        self.modules = folder / "unpacked" / "lib" / "modules"
        self.version = (folder / "version").read_text().strip()


def prepare(say=lambda text: None) -> Kernel:
    """Downloads and unpacks the kernel unless the cache has it. Safe to call from several processes at once."""
    CACHE.mkdir(exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = CACHE / "kernel"
        if not (folder / "version").exists():
            if folder.exists():
                shutil.rmtree(folder)
            _unpack(folder, say)
        kernel = Kernel(folder)
        if not kernel.initramfs.exists() or kernel.initramfs.stat().st_mtime < pathlib.Path(__file__).stat().st_mtime:
            _write_initramfs(kernel)
        return kernel


def _run(*command: str, cwd: pathlib.Path | None = None) -> str:
    return subprocess.run(
        command, cwd=cwd, check=True, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=300
    ).stdout


def _package() -> str:
    """The image package behind Debian's meta package, for example linux-image-6.1.0-56-cloud-amd64."""
    lines = _run("apt-cache", "depends", META_PACKAGE).splitlines()
    for line in lines:
        word = line.strip()
        if word.startswith("Depends: linux-image-"):
            return word.removeprefix("Depends: ")
    raise RuntimeError(f"{META_PACKAGE} names no image package: is this Debian, and has apt-get update been run?")


def _unpack(folder: pathlib.Path, say) -> None:
    try:
        package = _package()
    except (RuntimeError, subprocess.CalledProcessError):
        _run("apt-get", "update", "-qq")
        package = _package()
    say(f"downloading {package}")
    download = CACHE / "download"
    shutil.rmtree(download, ignore_errors=True)
    download.mkdir()
    # Unsandboxed because apt's own user seldom may write into a checkout; it only silences a warning.
    try:
        _run("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package, cwd=download)
    except subprocess.CalledProcessError:
        _run("apt-get", "update", "-qq")
        package = _package()
        _run("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package, cwd=download)
    (archive,) = download.glob("*.deb")
    unpacked = folder / "unpacked"
    unpacked.mkdir(parents=True)
    _run("dpkg", "-x", str(archive), str(unpacked))
    # Where /lib is a link to /usr/lib the package may bring only the latter.
    if not (unpacked / "lib").exists():
        (unpacked / "lib").symlink_to("usr/lib")
    (modules,) = (unpacked / "lib" / "modules").iterdir()
    _run("/sbin/depmod", "-b", str(unpacked), modules.name)
    shutil.copy(next((unpacked / "boot").glob("vmlinuz-*")), folder / "vmlinuz")
    shutil.rmtree(download)
    (folder / "version").write_text(modules.name + "\n")


def _load_order(modules: pathlib.Path, names: list[str]) -> list[pathlib.Path]:
    """Files of the named modules, each after what it depends on; what the kernel has built in is left out."""
    needs: dict[str, list[str]] = {}
    files: dict[str, str] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        file, _, rest = line.partition(":")
        files[pathlib.Path(file).name.split(".")[0]] = file
        needs[file] = rest.split()
    order: list[str] = []
    for name in names:
        if name in files:
            # depmod lists what a module needs with the last to load first.
            for file in [*reversed(needs[files[name]]), files[name]]:
                if file not in order:
                    order.append(file)
    return [modules / file for file in order]


def _write_initramfs(kernel: Kernel) -> None:
    busybox = shutil.which("busybox")
    if busybox is None:
        raise RuntimeError("busybox is missing: lab/install")
    entries: list[tuple[str, int, bytes]] = []
    for folder in ["bin", "proc", "sys", "dev", "lower", "over", "new", "modules"]:
        entries.append((folder, stat.S_IFDIR | 0o755, b""))
    entries.append(("bin/busybox", stat.S_IFREG | 0o755, pathlib.Path(busybox).read_bytes()))
    for applet in APPLETS:
        entries.append((f"bin/{applet}", stat.S_IFLNK | 0o777, b"busybox"))
    order = []
    for file in _load_order(kernel.modules / kernel.version, ["virtio_pci", "virtiofs", "overlay"]):
        content = file.read_bytes()
        if file.suffix == ".xz":
            content = lzma.decompress(content)
        name = file.name.split(".")[0] + ".ko"
        entries.append((f"modules/{name}", stat.S_IFREG | 0o644, content))
        order.append(name)
    entries.append(("modules/order", stat.S_IFREG | 0o644, "\n".join(order).encode()))
    entries.append(("init", stat.S_IFREG | 0o755, INIT.encode()))
    temporary = kernel.initramfs.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(_cpio(entries))
    temporary.rename(kernel.initramfs)


def _cpio(entries: list[tuple[str, int, bytes]]) -> bytes:
    """An archive in the kernel's `newc` form: 110 bytes of hexadecimal header, name and content padded to 4."""
    archive = bytearray()
    for number, (name, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], start=1):
        fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        archive += bytes(-len(archive) % 4)
        archive += content
        archive += bytes(-len(archive) % 4)
    return bytes(archive)
