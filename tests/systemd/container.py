"""A real systemd, booted in a container over this machine's own files (overlay, thrown away).

The unit, sysusers and tmpfiles files are installed in it as docs/install.md says, with the
interpreter and the packages that run the tests under /opt/vppd. Needs root and systemd-nspawn.
Every mount lives in a mount namespace of its own, and goes when its last process goes.
"""

import compileall
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

from numba.core.caching import _CacheLocator

REPO = Path(__file__).parents[2]
TOOLS = ("systemd-nspawn", "nsenter", "unshare", "mount")
BOOT_TIMEOUT_S = 30.0
# Of the tests alone: no installation of requirements-run.lock has them, and libraries that find
# them import them, which takes a start 0.15 s.
NOT_INSTALLED = ("scipy", "rich")

# $1 prepared files, $2 empty folder; the rest is the command of nspawn
MOUNT_AND_BOOT = """
set -e
mount -t tmpfs -o size=512m tmpfs "$2"
mkdir "$2/up" "$2/work" "$2/root"
cp -aT "$1" "$2/up"
mount -t overlay overlay -o "lowerdir=/,upperdir=$2/up,workdir=$2/work" "$2/root"
root="$2/root"
shift 2
exec systemd-nspawn -D "$root" "$@"
"""


def why_not() -> str | None:
    """Why no container can be booted here; None: it can."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian: systemd-container)"
    if os.getuid() != 0:
        return "needs root"
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        return "mounting is not permitted here"
    return None


def condition(holds, timeout_s, what):
    """Return what `holds()` gives, once it is true."""
    deadline_s = time.monotonic() + timeout_s
    while not (value := holds()):
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{what}: not within {timeout_s} s")
        time.sleep(0.02)
    return value


class Container:
    """A booted system. `run` runs a command in it."""

    def __init__(self, folder: Path) -> None:
        self.prepared = folder / "prepared"
        self._place = folder / "place"
        self._console_path = folder / "console"
        self._process = None
        self._leader = 0
        self.prepared.mkdir(parents=True)
        self._place.mkdir()

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Put a file into the system, before it boots."""
        target = self.prepared / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def install_program(self, vppd: str) -> None:
        """Make /opt/vppd/venv, of the interpreter and packages of this process.

        `vppd` is the Python text of the command. The sources have their bytecode, as pip leaves
        them: else the unit, which may write none, compiles them at each start, for half a second.
        """
        compileall.compile_dir(REPO / "vppd", quiet=1)
        version = f"python{sysconfig.get_python_version()}"
        venv = "/opt/vppd/venv"
        self.write(f"{venv}/pyvenv.cfg", "home = /opt/vppd/python/bin\n")
        site = f"{venv}/lib/{version}/site-packages"
        self.write(f"{site}/program.pth", "/opt/vppd/packages\n/opt/vppd/source\n")
        self.write(f"{venv}/bin/vppd", f"#!{venv}/bin/python3\n{vppd}", 0o755)
        (self.prepared / "opt/vppd/venv/bin/python3").symlink_to(f"/opt/vppd/python/bin/{version}")
        for name in ("python", "packages", "source/vppd"):
            (self.prepared / "opt/vppd" / name).mkdir(parents=True)
        # An interpreter with a shared library looks for it where it was built, in some home.
        self.write(
            "/etc/systemd/system/vppd.service.d/rig.conf",
            "[Service]\nEnvironment=LD_LIBRARY_PATH=/opt/vppd/python/lib\n",
        )

    def install_kernels(self, *, but: str) -> None:
        """Fill the unit's cache with the kernels that are compiled here, but those of one module.

        Numba finds them again, for the sources and the processor are the same ones; only the name
        of a folder tells where the sources lie. systemd gives the files to the unit's user.
        """
        for file in (REPO / "vppd").rglob("__pycache__/*.nb?"):
            if file.name.partition(".")[0] != but:
                source = "/opt/vppd/source" / file.parents[1].relative_to(REPO) / "any.py"
                folder = _CacheLocator.get_suitable_cache_subpath(str(source))
                target = self.prepared / f"var/cache/vppd/numba/{folder}"
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, target)

    def install_unit(self) -> None:
        """Copy the project's systemd files to where they belong."""
        for name, place in (
            ("vppd.service", "/etc/systemd/system/vppd.service"),
            ("vppd.sysusers.conf", "/usr/lib/sysusers.d/vppd.conf"),
            ("vppd.tmpfiles.conf", "/usr/lib/tmpfiles.d/vppd.conf"),
        ):
            self.write(place, (REPO / "systemd" / name).read_text())

    def boot(self) -> None:
        """Start it, and wait until it is up."""
        binds = {
            sys.base_prefix: "/opt/vppd/python",
            sysconfig.get_path("purelib"): "/opt/vppd/packages",
            str(REPO / "vppd"): "/opt/vppd/source/vppd",
        }
        command = ["unshare", "--mount", "--propagation=private", "sh", "-c", MOUNT_AND_BOOT, "sh"]
        command += [str(self.prepared), str(self._place)]
        command += ["--quiet", "--register=no", "--keep-unit", "--private-network", "--boot"]
        command += [f"--machine=vppd-{os.getpid()}", "--link-journal=no", "--console=pipe"]
        command += ["--kill-signal=SIGRTMIN+3", "--capability=CAP_SYS_NICE,CAP_IPC_LOCK"]
        command += [f"--bind-ro={source}:{target}" for source, target in binds.items()]
        packages = Path(sysconfig.get_path("purelib"))
        command += [
            f"--tmpfs=/opt/vppd/packages/{name}" for name in NOT_INSTALLED
            if (packages / name).is_dir()
        ]  # fmt: skip
        with self._console_path.open("w") as console:
            self._process = subprocess.Popen(
                [*command, "systemd.unit=basic.target"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        self._leader = condition(self._find_leader, BOOT_TIMEOUT_S, "nspawn")
        condition(self._is_up, BOOT_TIMEOUT_S, "boot")

    def enter(self, *spaces: str) -> list[str]:
        """Give what leads a command into name spaces of the container: `-n` for the network."""
        return ["nsenter", "-t", str(self._leader), *spaces, "--"]

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command inside; gives its output."""
        enter = self.enter("-m", "-u", "-i", "-n", "-p", "-C")
        done = subprocess.run(
            [*enter, *command], capture_output=True, text=True, check=False, timeout=60
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stderr}")
        return done.stdout.strip()

    def path(self, inside: str) -> Path:
        """Give a path of the system as one of this machine."""
        return Path(f"/proc/{self._leader}/root") / inside.lstrip("/")

    def show(self, *names: str) -> dict[str, str]:
        """Properties of vppd.service."""
        lines = self.run("systemctl", "show", "vppd", *(f"-p{name}" for name in names))
        return dict(line.split("=", 1) for line in lines.splitlines())

    def pid(self) -> int:
        """Process id of the daemon, inside; 0: it does not run."""
        return int(self.show("MainPID")["MainPID"])

    def journal(self) -> str:
        """What vppd.service has logged."""
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", "vppd")

    def said_s(self, words: str) -> list[float]:
        """When the journal of vppd.service got lines with these words, monotonic s."""
        lines = self.run("journalctl", "--no-pager", "-o", "short-monotonic", "-u", "vppd")
        found = [line for line in lines.splitlines() if words in line]
        return [float(line.lstrip("[ ").partition("]")[0]) for line in found]

    def console(self) -> str:
        """What the container has printed."""
        return self._console_path.read_text()

    def halt(self) -> None:
        """Shut it down; by force if that does not work."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if self._leader:
                os.kill(self._leader, signal.SIGRTMIN + 3)
        try:
            self._process.wait(20.0)
        except subprocess.TimeoutExpired:
            # the leader must die too: nspawn alone leaves it behind
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._leader or self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait(20.0)

    def _find_leader(self) -> int:
        if self._process.poll() is not None:
            raise RuntimeError(f"nspawn ended: {self.console()}")
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = entry.read_text().rsplit(")", 1)[1].split()
                if int(fields[1]) == self._process.pid and self._is_init(entry.parent):
                    return int(entry.parent.name)
        return 0

    @staticmethod
    def _is_init(process: Path) -> bool:
        """Whether a process is number 1 of a pid namespace below ours."""
        lines = (process / "status").read_text().splitlines()
        pids = next(line.split()[1:] for line in lines if line.startswith("NSpid:"))
        return len(pids) > 1 and pids[-1] == "1"

    def _is_up(self) -> bool:
        return self.run("systemctl", "is-system-running", check=False) in ("running", "degraded")
