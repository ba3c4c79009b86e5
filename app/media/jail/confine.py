"""What the kernel takes away from a tool, where it can: privileges, the network, and files that are not its own.

Linux alone. Every step is one that an older kernel or a container may refuse; the tool then runs without it, behind the
limits and the format tables that hold everywhere.
"""

import ctypes
import os
import signal
import stat
import struct
import sys
from collections.abc import Iterable

# <linux/prctl.h>, <linux/sched.h>
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWNET = 0x4000_0000

# <linux/landlock.h>; the numbers of the calls are the same on every architecture.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH, RULE_NET_PORT = 1, 2
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
NET_CONNECT_TCP = 0b10
NET_BIND_AND_CONNECT_TCP = 0b11
SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11
# Rights over files that each version of Landlock knows: moves between folders came with 2, truncation with 3.
FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
NET_SINCE, SCOPES_SINCE = 4, 6
READ = EXECUTE | READ_FILE | READ_DIR
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14

PROGRAMS_AND_FONTS = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/home/linuxbrew/.linuxbrew"),
    *("/etc/ld.so.cache", "/etc/ssl", "/etc/pki", "/etc/fonts", "/etc/alternatives", "/etc/localtime"),
    *("/var/cache/fontconfig", "/dev/urandom"),
)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends."""
    if sys.platform == "linux":
        _libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def landlock_version() -> int:
    """The version of the kernel's Landlock, below 1 where there is none."""
    return int(_libc().syscall(CREATE_RULESET, None, ctypes.c_size_t(0), CREATE_RULESET_VERSION))


def confine(*, reads: Iterable[str], lists: Iterable[str], writes: Iterable[str], port: int | None) -> None:
    """Leave this process, and what it becomes, no more than it needs, and let it die with its parent.

    It may read below `reads`, see names below `lists`, do anything below `writes`, and run the machine's programs.
    Nothing else can be opened: not the files of other tenants, not the environment of the broker in /proc. Of the
    network it keeps TCP to `port`, or nothing.
    """
    if sys.platform != "linux":
        return
    libc = _libc()
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # A network of its own with nothing in it: as root, else inside a user namespace.
    if port is None and libc.unshare(CLONE_NEWNET) != 0:
        libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)
    version = landlock_version()
    if version > 0:
        rights = FILE_RIGHTS[min(version, max(FILE_RIGHTS))]
        rules = [(path, READ) for path in (*PROGRAMS_AND_FONTS, *reads)]
        rules += [(path, READ_DIR) for path in lists]
        rules += [(path, rights) for path in ("/dev/null", *writes)]
        _landlock(libc, version, rights, rules, port)
    # Last, because a new user namespace forgets it.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _landlock(libc: ctypes.CDLL, version: int, rights: int, rules: Iterable[tuple[str, int]], port: int | None) -> None:
    fields = [rights]
    if version >= NET_SINCE:
        fields.append(NET_BIND_AND_CONNECT_TCP)
    if version >= SCOPES_SINCE:
        fields.append(SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "no Landlock ruleset")
    for path, allowed in rules:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # not on this machine, or not for us
            continue
        fitting = rights if stat.S_ISDIR(os.fstat(place).st_mode) else rights & OF_A_FILE
        rule = struct.pack("=Qi", allowed & fitting, place)
        if libc.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0) != 0:
            raise OSError(ctypes.get_errno(), f"no Landlock rule for {path}")
        os.close(place)
    if port is not None and version >= NET_SINCE:
        rule = struct.pack("=QQ", NET_CONNECT_TCP, port)
        if libc.syscall(ADD_RULE, ruleset, RULE_NET_PORT, rule, 0) != 0:
            raise OSError(ctypes.get_errno(), f"no Landlock rule for port {port}")
    if libc.syscall(RESTRICT_SELF, ruleset, 0) != 0:
        raise OSError(ctypes.get_errno(), "not restricted")
    os.close(ruleset)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
