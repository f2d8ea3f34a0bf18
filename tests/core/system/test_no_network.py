"""The filter takes the network from all threads and children, and leaves the rest."""

import subprocess
import sys

import pytest

from core.system.no_network import forbid_network

PROGRAM = """
import errno, os, socket, subprocess, sys, threading
from core.system.no_network import forbid_network

begun, go, seen = threading.Event(), threading.Event(), []

def earlier_thread():
    begun.set()
    go.wait()
    seen.append(tried(socket.AF_INET))

def tried(family):
    try:
        socket.socket(family).close()
        return "opened"
    except OSError as error:
        return errno.errorcode[error.errno]

thread = threading.Thread(target=earlier_thread)
thread.start()
begun.wait()
reason = forbid_network()
if reason:
    go.set(); print("absent", reason); sys.exit()
go.set()
thread.join()
child = subprocess.run([sys.executable, "-c", "import socket; socket.socket()"], capture_output=True, text=True)
left, right = socket.socketpair()
left.send(b"x")
print(tried(socket.AF_INET), tried(socket.AF_INET6), tried(socket.AF_NETLINK), seen[0],
      "PermissionError" in child.stderr, right.recv(1) == b"x", forbid_network())
"""


def test_no_thread_and_no_child_opens_a_connection() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    if done.stdout.startswith("absent"):
        pytest.skip(f"this kernel has no seccomp filter: {done.stdout}")
    assert done.stdout.split() == ["EACCES", "EACCES", "EACCES", "EACCES", "True", "True", "None"]


def test_a_machine_that_is_not_known_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "vax")
    assert "vax" in (forbid_network() or "")
