"""The bridge of the lab's engine, and its way out.

The engine makes no rules itself (``--iptables=false``): one that starts flushes the chains which
every engine on the machine shares, and would cut off the containers of another.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from typing import TYPE_CHECKING, Any

from .process import LabError, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAMES = [f"envdlab{number}" for number in range(10)]
_SUBNETS = IPv4Network("10.213.0.0/16")


@dataclass(frozen=True)
class Bridge:
    """A bridge and the network behind it."""

    name: str
    subnet: IPv4Network

    def rules(self) -> Iterator[tuple[str, ...]]:
        """What iptables has to be told: table, chain, rule."""
        out = ("!", "-o", self.name, "-j", "MASQUERADE")
        yield ("nat", "POSTROUTING", "-s", str(self.subnet), *out)
        yield ("filter", "FORWARD", "-i", self.name, "-j", "ACCEPT")
        answers = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
        yield ("filter", "FORWARD", "-o", self.name, *answers)


def ensure_bridge(state: Path) -> Bridge:
    """Bridge of the lab in this folder, made where there is none."""
    bridge = find_bridge(state) or _make(state)
    run("ip", "link", "set", "dev", bridge.name, "up")
    for table, chain, *rule in bridge.rules():
        if not _has_rule(table, chain, *rule):
            # Before the rules of a firewall that refuses the rest.
            _iptables(table, "-I", chain, *rule)
    return bridge


def remove_bridge(state: Path) -> None:
    """Remove the bridge and its rules."""
    bridge = find_bridge(state)
    if bridge is None:
        return
    for table, chain, *rule in bridge.rules():
        if _has_rule(table, chain, *rule):
            _iptables(table, "-D", chain, *rule)
    run("ip", "link", "delete", "dev", bridge.name)


def find_bridge(state: Path) -> Bridge | None:
    """Bridge of the lab in this folder: the kernel itself keeps whose it is."""
    for name in _own_links(state):
        for link in _ip("-4", "addr", "show", "dev", name):
            for address in link["addr_info"]:
                return Bridge(name, _network(address["local"], address["prefixlen"]))
    return None


def way_out_mtu() -> int:
    """Size of the packets that leave the machine; larger ones may be lost without a word."""
    devices = {route["dev"] for route in _ip("route", "show", "default") if "dev" in route}
    sizes = [int(link["mtu"]) for link in _ip("link", "show") if link["ifname"] in devices]
    return min([*sizes, 1500])


def _make(state: Path) -> Bridge:
    # One without an address is left from a lab that was stopped while it made it.
    for name in _own_links(state):
        run("ip", "link", "delete", "dev", name)
    taken = {link["ifname"] for link in _ip("link", "show")}
    free = [name for name in _NAMES if name not in taken]
    if not free:
        raise LabError(f"the bridges {_NAMES[0]} to {_NAMES[-1]} are all taken")
    bridge = Bridge(free[0], _free_subnet())
    address = f"{bridge.subnet[1]}/{bridge.subnet.prefixlen}"
    run("ip", "link", "add", "name", bridge.name, "type", "bridge")
    run("ip", "link", "set", "dev", bridge.name, "alias", str(state))
    run("ip", "addr", "add", address, "dev", bridge.name)
    return bridge


def _own_links(state: Path) -> list[str]:
    links = _ip("link", "show", "type", "bridge")
    return [link["ifname"] for link in links if link.get("ifalias") == str(state)]


def _free_subnet() -> IPv4Network:
    addresses = (address for link in _ip("-4", "addr", "show") for address in link["addr_info"])
    taken = [_network(address["local"], address["prefixlen"]) for address in addresses]
    routes = (route["dst"] for route in _ip("-4", "route", "show", "table", "all"))
    taken += [IPv4Network(route, strict=False) for route in routes if route[0].isdigit()]
    # A route for everything (a VPN's 0.0.0.0/1) says nothing about who uses what.
    narrow = [network for network in taken if network.prefixlen > _SUBNETS.prefixlen // 2]
    for subnet in _SUBNETS.subnets(new_prefix=24):
        if not any(subnet.overlaps(network) for network in narrow):
            return subnet
    raise LabError(f"no free network in {_SUBNETS}")


def _network(address: str, length: int) -> IPv4Network:
    return IPv4Interface(f"{address}/{length}").network


def _ip(*arguments: str) -> list[dict[str, Any]]:
    # Some versions of ip print {} for what they leave out.
    found: list[dict[str, Any]] = json.loads(run("ip", "-j", *arguments) or "[]")
    return [entry for entry in found if entry]


def _has_rule(table: str, *rule: str) -> bool:
    try:
        _iptables(table, "-C", *rule)
    except LabError:
        return False
    return True


def _iptables(table: str, *arguments: str) -> None:
    run("iptables", "-w", "-t", table, *arguments)
