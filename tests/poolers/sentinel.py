"""A Redis master with replicas, watched by sentinels: each with a password, on private ports."""

import secrets
import shutil
import signal
from pathlib import Path
from typing import Any, Self

import redis
from redis.sentinel import MasterNotFoundError, Sentinel

from tests.servers import RedisServer, Server, free_port, wait_until

MASTER = "brushwork-test"
# In milliseconds. A sentinel calls the master dead after so long without a reply; 30,000 by default.
DOWN_AFTER_MS = 1000
FAILOVER_MS = 6000
START_S = 30.0
FAILOVER_S = 30.0


class GroupMember(Server):
    """Redis or a sentinel.

    Args:
        argv: Program and arguments.
        port: Where it listens.
        password: That it asks for.
    """

    def __init__(self, argv: list[str], port: int, password: str) -> None:
        self._argv = argv
        self.port = port
        self._password = password

    def command(self) -> list[str]:
        return self._argv

    def answers(self) -> bool:
        try:
            with self.connect() as connection:
                return bool(connection.ping())
        except redis.RedisError:
            return False

    def connect(self) -> "redis.Redis":
        return redis.Redis(port=self.port, password=self._password, socket_timeout=5)


class RedisGroup(RedisServer):
    """A group in place of one server; signals go to its master.

    Args:
        folder: For files of settings.
        replicas: Besides the master.
        sentinels: More than half of them have to agree on a failover.
        down_after_ms: A sentinel calls the master dead after so long without a reply.
    """

    def __init__(
        self, folder: Path, *, replicas: int = 2, sentinels: int = 3, down_after_ms: int = DOWN_AFTER_MS
    ) -> None:
        super().__init__(folder)
        self._down_after_ms = down_after_ms
        self.sentinel_password = secrets.token_hex(16)
        # Debian's package redis-sentinel has one program for all, which looks at the name it is called by.
        self._program = folder / "redis-server"
        self._program.symlink_to(str(program()))
        ports = [free_port() for _ in range(1 + replicas)]
        self.servers = [self._redis(port, None if port == ports[0] else ports[0]) for port in ports]
        self.sentinels = [self._sentinel(free_port(), ports[0], sentinels) for _ in range(sentinels)]

    @property
    def url(self) -> str:
        """The address of the broker, with user and password at the last sentinel."""
        hosts = [f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels]
        hosts[-1] = f":{self.password}@{hosts[-1]}/0"
        return ";".join(f"sentinel://{host}" for host in hosts)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of brushwork for the group."""
        return {
            "redis_url": self.url,
            "redis_sentinel_master": MASTER,
            "redis_sentinel_password": self.sentinel_password,
        }

    def start(self) -> Self:
        """Start all, and wait until each sentinel knows the replicas and the others."""
        for each in [*self.servers, *self.sentinels]:
            each.start()
        wait_until(self.is_whole, bound_s=START_S, what="the sentinels' view of all replicas", look_s=0.05)
        return self

    def halt(self, number: signal.Signals = signal.SIGINT) -> None:
        """End the master by this signal."""
        self.master().halt(number)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the master."""
        self.master().signal(number)

    def stop(self) -> None:
        """End all."""
        for each in [*self.sentinels, *self.servers]:
            each.halt(signal.SIGKILL)

    def connect(self) -> "redis.Redis":
        """Return a client of the master that a sentinel names."""
        return self._asked().master_for(MASTER, redis.Redis, password=self.password, socket_timeout=5)

    def master(self) -> GroupMember:
        """Return the master that a sentinel names."""
        _, port = self._asked().discover_master(MASTER)
        return next(server for server in self.servers if server.port == port)

    def is_whole(self) -> bool:
        """Whether every sentinel sees the master, all replicas in step and all other sentinels."""
        for sentinel in self.sentinels:
            with sentinel.connect() as connection:
                state = connection.sentinel_master(MASTER)
                replicas = connection.sentinel_slaves(MASTER)
            in_step = [each for each in replicas if each["flags"] == "slave" and _is_linked(each)]
            if len(in_step) < len(self.servers) - 1 or state["flags"] != "master":
                return False
            if state["num-other-sentinels"] < len(self.sentinels) - 1:
                return False
        return True

    def wait_failover(self, old: GroupMember) -> GroupMember:
        """Wait until all sentinels name another master than `old`, and return it."""

        wait_until(lambda: self._has_replaced(old), bound_s=FAILOVER_S, what="the failover", look_s=0.02)
        return self.master()

    def fail_over(self) -> None:
        """Ask a sentinel for a failover while the master is well."""
        with self.sentinels[0].connect() as connection:
            connection.execute_command("SENTINEL", "FAILOVER", MASTER)

    def _has_replaced(self, old: GroupMember) -> bool:
        try:
            return all(port not in (None, old.port) for port in self._named_ports()) and (
                self.master() is not old
            )
        # A sentinel calls the old master dead, and the new one is not elected yet.
        except MasterNotFoundError:
            return False

    def _named_ports(self) -> list[int | None]:
        ports: list[int | None] = []
        for sentinel in self.sentinels:
            with sentinel.connect() as connection:
                address = connection.sentinel_get_master_addr_by_name(MASTER)
            ports.append(int(address[1]) if address else None)
        return ports

    def _asked(self) -> Sentinel:
        hosts = [("127.0.0.1", sentinel.port) for sentinel in self.sentinels]
        own = {"password": self.sentinel_password, "socket_timeout": 5}
        return Sentinel(hosts, sentinel_kwargs=own)

    def _redis(self, port: int, master_port: int | None) -> GroupMember:
        lines = [
            "bind 127.0.0.1", f"port {port}", f"dir {self._folder}", 'save ""', "appendonly no",
            f"requirepass {self.password}", f"masterauth {self.password}", f"dbfilename {port}.rdb",
            "repl-diskless-sync-delay 0", "repl-ping-replica-period 1",
        ]  # fmt: skip
        if master_port is not None:
            lines.append(f"replicaof 127.0.0.1 {master_port}")
        config = self._write(f"redis-{port}.conf", lines)
        return GroupMember([str(self._program), str(config)], port, self.password)

    def _sentinel(self, port: int, master_port: int, sentinels: int) -> GroupMember:
        lines = [
            "bind 127.0.0.1", f"port {port}", f"dir {self._folder}",
            f"requirepass {self.sentinel_password}", f"sentinel sentinel-pass {self.sentinel_password}",
            f"sentinel monitor {MASTER} 127.0.0.1 {master_port} {sentinels // 2 + 1}",
            f"sentinel auth-pass {MASTER} {self.password}",
            f"sentinel down-after-milliseconds {MASTER} {self._down_after_ms}",
            f"sentinel failover-timeout {MASTER} {FAILOVER_MS}",
        ]  # fmt: skip
        # A sentinel writes what it finds out into its file.
        config = self._write(f"sentinel-{port}.conf", lines)
        return GroupMember([str(self._program), str(config), "--sentinel"], port, self.sentinel_password)

    def _write(self, name: str, lines: list[str]) -> Path:
        file = self._folder / name
        file.write_text("\n".join([*lines, ""]))
        file.chmod(0o600)
        return file


def _is_linked(replica: dict[str, Any]) -> bool:
    return bool(replica.get("master-link-status") == "ok")


def program() -> Path | None:
    """Return Debian's program, or None where the package is not installed."""
    found = shutil.which("redis-sentinel")
    return Path(found).resolve() if found else None
