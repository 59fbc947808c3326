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
#   lab.guest=FILE   the script that is started, in lab.out
#   lab.memory       stay in memory (lab/memory.py); the root file system is then only reachable as /full
INIT = """#!/lab/sh
PATH=/lab
mkdir -p /proc /sys /dev
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
memory=no
for word in $(cat /proc/cmdline); do
    case $word in
        lab.modules=*) modules=${word#lab.modules=} ;;
        lab.out=*) out=${word#lab.out=} ;;
        lab.guest=*) guest=${word#lab.guest=} ;;
        lab.memory) memory=yes ;;
    esac
done
for module in $(cat /lab/modules/order); do insmod /lab/modules/$module || echo "lab: no module $module"; done
mkdir -p /lab/lower /lab/over /full
mount -t virtiofs -o ro rootfs /lab/lower || { echo "lab: no root file system"; poweroff -f; }
mount -t tmpfs -o size=75% overlay /lab/over; mkdir /lab/over/upper /lab/over/work
mount -t overlay -o lowerdir=/lab/lower,upperdir=/lab/over/upper,workdir=/lab/over/work root /full || poweroff -f
mkdir -p /full/lib/modules
mount -o bind /lab/lower$modules /full/lib/modules
mount -t proc proc /full/proc; mount -t sysfs sys /full/sys; mount -t devtmpfs dev /full/dev
mkdir -p /full/dev/pts /full/dev/shm
mount -t devpts devpts /full/dev/pts; mount -t tmpfs shm /full/dev/shm; mount -t tmpfs run /full/run
mount -t cgroup2 none /full/sys/fs/cgroup 2>/dev/null
mkdir -p /full$out
mount -t virtiofs -o rw out /full$out || { echo "lab: no share for results"; poweroff -f; }
if [ $memory = yes ]; then
    mkdir -p /tmp /run /root /var/run $out /dev/pts /dev/shm
    mount -t devpts devpts /dev/pts; mount -t tmpfs shm /dev/shm; mount -t tmpfs run /run
    cp /full$guest /guest.sh
    exec /bin/bash /guest.sh
fi
exec switch_root /full /bin/bash $guest
"""

APPLETS = ["sh", "mount", "insmod", "mkdir", "switch_root", "cat", "cp", "echo", "poweroff"]


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
    entries: list[tuple] = []
    for folder in ["lab", "lab/modules"]:
        entries.append((folder, stat.S_IFDIR | 0o755, b"", 0))
    entries.append(("lab/busybox", stat.S_IFREG | 0o755, pathlib.Path(busybox).read_bytes(), 0))
    for applet in APPLETS:
        entries.append((f"lab/{applet}", stat.S_IFLNK | 0o777, b"busybox", 0))
    order = []
    for file in _load_order(kernel.modules / kernel.version, ["virtio_pci", "virtiofs", "overlay"]):
        content = file.read_bytes()
        if file.suffix == ".xz":
            content = lzma.decompress(content)
        name = file.name.split(".")[0] + ".ko"
        entries.append((f"lab/modules/{name}", stat.S_IFREG | 0o644, content, 0))
        order.append(name)
    entries.append(("lab/modules/order", stat.S_IFREG | 0o644, "\n".join(order).encode(), 0))
    entries.append(("init", stat.S_IFREG | 0o755, INIT.encode(), 0))
    temporary = kernel.initramfs.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(cpio(entries))
    temporary.rename(kernel.initramfs)


def cpio(entries: list[tuple]) -> bytes:
    """An archive in the kernel's `newc` form of (name, mode, content, time of change in s): 110 bytes of hexadecimal
    header, then name and content, each padded to 4."""
    archive = bytearray()
    for number, (name, mode, content, changed) in enumerate([*entries, ("TRAILER!!!", 0, b"", 0)], start=1):
        fields = [number, mode, 0, 0, 1, changed, len(content), 0, 0, 0, 0, len(name.encode()) + 1, 0]
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        archive += bytes(-len(archive) % 4)
        archive += content
        archive += bytes(-len(archive) % 4)
    return bytes(archive)
