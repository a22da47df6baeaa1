"""Runs a program that ends when the process which asked for it ends, whatever ended that one.

``python guard.py PARENT FOLDER PROGRAM ARGUMENTS…``. A worker that is killed cannot end its own
children, and pw.x would calculate on for hours for nobody. This file is run as a script, with the
standard library only, so that it starts within milliseconds. (Linux's PR_SET_PDEATHSIG would need
code between fork and exec, which is unsafe in a worker that has threads.)

If PARENT ends first, the program is ended and FOLDER removed. On SIGTERM the program is ended. The
exit status is the program's; 128 + n if signal n ended it; 127 if there is no such program.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

POLL_SECONDS = 0.2
GRACE_SECONDS = 5.0
LINGER_SECONDS = 1.0
NOT_FOUND = 127


def main(parent: int, folder: str, command: list[str]) -> int:
    """Run ``command`` in ``folder`` as long as process ``parent`` lives."""
    asked_to_end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked_to_end.set())
    try:
        # a session of its own: what it starts can be ended with it
        program = subprocess.Popen(command, cwd=folder, start_new_session=True)
    except OSError as error:
        print(error, file=sys.stderr)
        return NOT_FOUND
    threading.Thread(target=watch, args=(parent, program, asked_to_end), daemon=True).start()
    code = program.wait()
    # a signal to the whole group, such as scancel's, may reach this process before its parent
    deadline = time.monotonic() + (LINGER_SECONDS if asked_to_end.is_set() else 0)
    while os.getppid() == parent and time.monotonic() < deadline:
        time.sleep(0.02)
    if os.getppid() != parent:
        shutil.rmtree(folder, ignore_errors=True)
    return 128 - code if code < 0 else code


def watch(parent: int, program: subprocess.Popen[bytes], asked_to_end: threading.Event) -> None:
    """End the program when that is asked for, or once ``parent`` is gone.

    First with SIGTERM, so that mpirun ends its processes; after a while with SIGKILL.
    """
    while os.getppid() == parent and not asked_to_end.wait(POLL_SECONDS):
        pass
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(program.pid, sign)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + GRACE_SECONDS
        while program.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
