"""Hosts as network namespaces of Linux, each with a link of its own, which can be cut. Needs root and iproute2.

The database and the broker listen on this machine's loopback address, which a namespace does not reach. So a
`relay` listens on this machine's end of each link. When a link is cut, the relay's connections to the servers stay
open and silent, as those of a host that a partition has cut off.

`python -m bench.chaos_hosts.namespaces NAME ARGUMENTS` runs this Python interpreter inside.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit, urlunsplit

from hlapp.supervisor.programs import Program

NETWORK = "10.77.{}.{}"  # of the link's number, and of its end: 1 is this machine, 2 the host


@dataclass(frozen=True)
class Host:
    """One host. `address` is its own, `gateway` that of this machine on its link."""

    name: str
    number: int

    @property
    def address(self) -> str:
        """The host's own address."""
        return NETWORK.format(self.number, 2)

    @property
    def gateway(self) -> str:
        """This machine's address on the link."""
        return NETWORK.format(self.number, 1)

    def inside(self, program: Program) -> Program:
        """The program as one of this host."""
        return replace(program, argv=("-m", "bench.chaos_hosts.namespaces", self.name, *program.argv))

    def reach(self, url: str) -> str:
        """The URL of a server of this machine, as the host reaches it."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@{self.gateway}:{parts.port}"))

    def cut(self) -> None:
        """Drop every packet from and to the host."""
        _ip(f"link set {self._link} down")

    def mend(self) -> None:
        """End the partition."""
        _ip(f"link set {self._link} up")

    @property
    def _link(self) -> str:
        return f"v-{self.name}"

    def make(self) -> None:
        """Create the namespace and its link."""
        self.remove()
        for command in (
            f"netns add {self.name}",
            f"link add {self._link} type veth peer name eth0 netns {self.name}",
            f"addr add {self.gateway}/24 dev {self._link}",
            f"link set {self._link} up",
            f"-n {self.name} addr add {self.address}/24 dev eth0",
            f"-n {self.name} link set eth0 up",
            f"-n {self.name} link set lo up",
        ):
            _ip(command)

    def remove(self) -> None:
        """Remove both, if they are here."""
        _ip(f"link del {self._link}", fails=True)
        _ip(f"netns del {self.name}", fails=True)


@contextmanager
def linked(hosts: Sequence[Host]) -> Iterator[None]:
    """Make these hosts, each with a relay to the servers that DATABASE_URL and REDIS_URL name."""
    ports = sorted({str(urlsplit(os.environ[name]).port) for name in ("DATABASE_URL", "REDIS_URL")})
    relays = []
    try:
        for host in hosts:
            host.make()
            relays.append(subprocess.Popen([sys.executable, "-m", "bench.chaos_hosts.relay", host.gateway, *ports]))
        yield
    finally:
        for relay in relays:
            relay.kill()
            relay.wait()
        for host in hosts:
            host.remove()


def _ip(arguments: str, *, fails: bool = False) -> None:
    subprocess.run(["ip", *arguments.split()], check=not fails, stderr=subprocess.DEVNULL if fails else None)


if __name__ == "__main__":
    os.execvp("ip", ["ip", "netns", "exec", sys.argv[1], sys.executable, *sys.argv[2:]])
