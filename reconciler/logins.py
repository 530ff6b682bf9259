"""How to connect to an instance: the one place where passwords are shown, when asked for."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from executors.errors import Failed
from executors.keys import ControlKey
from planners.case import Found, SecretMissing, secret_source
from specs.desired import Address, Desired


def rows(desired: Desired, key: ControlKey, address: Address, found: Found) -> list[dict[str, Any]]:
    """One row a declared user, and one for root where it is enabled. Raises Failed."""
    instance = desired.instances.get(address)
    if instance is None:
        raise Failed(f"{address} is not declared in this revision")
    if found.port is None:
        raise Failed(f"{address} does not exist yet; run: gitrove apply")
    definition = desired.offers[address].definition
    anywhere = "%" if definition.can("hosts") else ""
    logins = [
        (user.name, f"{user.name}@{user.host or anywhere}", user.password)
        for user in instance.spec.users
    ]
    if instance.spec.root.enabled:
        logins.append((definition.root_name, "root", instance.spec.root.password))
    try:
        passwords = [key.password(found.id, login, secret_source(s)) for _, login, s in logins]
    except SecretMissing as error:
        raise Failed(str(error)) from None
    return [
        {
            "user": name,
            "password": password,
            "host": found.port.address,
            "port": definition.port,
            "uri": f"{definition.name}://{quote(name)}:{quote(password)}"
            f"@{found.port.address}:{definition.port}",
        }
        for (name, _, _), password in zip(logins, passwords, strict=True)
    ]
