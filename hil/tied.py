"""Run a program that the kernel kills when the bench that started it is gone, however it went.

    python -I -S tied.py PID PROGRAM [ARGUMENT …]     PID: of the bench

A bench that is killed (kill -9) ends nobody in order. This wrapper asks the kernel for it
(prctl(2), PR_SET_PDEATHSIG), which holds over execve, and becomes the program: same process id. It
is a program of its own because Python must not run between fork and exec where threads run.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
NOT_TIED, NO_PROGRAM = 126, 127  # as shells say it


def main(bench_pid: int, argv: list[str]) -> int:
    """Become the program; return an exit code only if that failed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        sys.stderr.write(f"{argv[0]}: prctl: {os.strerror(ctypes.get_errno())}\n")
        return NOT_TIED
    if os.getppid() != bench_pid:  # it was gone before the kernel knew
        return NOT_TIED
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec keeps that
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)  # noqa: S606  (no shell is meant)
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
    return NO_PROGRAM


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
