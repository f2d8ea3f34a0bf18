"""Takes the network from this process and from all that it starts, by a filter of the Linux kernel (seccomp-BPF).

An engine reads weights and images that may be hostile. Once they are there it needs no network any more, so code that
such a file brings to run could send nothing out and reach no service of the machine or its network. Any user may set
the filter, it holds for all threads, and nothing takes it off. It refuses new sockets but those of the same machine
(AF_UNIX), io_uring, which could open others, and the calls by which a process reads another's memory (ptrace).
"""

import ctypes
import errno
import platform
import struct
import sys
from dataclasses import dataclass

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _FLAG_TSYNC = 1, 1
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF: load a word, jump if ==, jump if >=, return
_NUMBER_AT, _ARCH_AT, _FIRST_ARGUMENT_AT = 0, 4, 16  # of struct seccomp_data
_AF_UNIX = 1
_X32 = 0x40000000  # system calls of the x32 ABI begin here


@dataclass(frozen=True)
class _Machine:
    """Numbers of system calls (the kernel's unistd.h) and the architecture's own (audit.h)."""

    arch: int
    seccomp: int
    socket: int
    refused: tuple[int, ...]  # io_uring_setup, ptrace, process_vm_readv, process_vm_writev


_MACHINES = {
    "x86_64": _Machine(0xC000003E, 317, 41, (425, 101, 310, 311)),
    "aarch64": _Machine(0xC00000B7, 277, 198, (425, 117, 270, 271)),
}


def forbid_network() -> str | None:
    """From now on this process opens no connection; None, or why the kernel does not offer that."""
    machine = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None or struct.calcsize("P") != 8:
        return f"{sys.platform} on {platform.machine()} has no such filter"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return f"no_new_privs: {errno.errorcode.get(ctypes.get_errno(), 'refused')}"
    code = _program(machine)
    program = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(program)))
    answer = libc.syscall(machine.seccomp, _SET_MODE_FILTER, _FLAG_TSYNC, ctypes.byref(header))
    if answer != 0:
        return f"seccomp: {errno.errorcode.get(ctypes.get_errno(), 'refused')}"
    return None


def _program(machine: _Machine) -> bytes:
    """The filter: classic BPF over the architecture, the number of the system call and its first argument."""
    refused, absent = _ERRNO | errno.EACCES, _ERRNO | errno.ENOSYS
    lines = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_EQUAL, 1, 0, machine.arch),
        (_RETURN, 0, 0, absent),  # another ABI has other numbers
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, absent),
    ]
    for number in machine.refused:
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, absent)]
    lines += [
        (_EQUAL, 1, 0, machine.socket),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_EQUAL, 1, 0, _AF_UNIX),
        (_RETURN, 0, 0, refused),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)
