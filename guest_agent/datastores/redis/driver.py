"""Redis in the guest: files, process, configuration and ACL users of one server.

The CONFIG commands are kept from users by ACL: only the agent's own login has
them. Without root enabled, the nameless ``default`` login is off; root is that
login with a password (queens-impelment-root-enable-for-redis).
"""

from __future__ import annotations

import hashlib
import string
from importlib import resources
from typing import Any

import redis

from guest_agent.contract.errors import GuestError, Refused, TryLater
from guest_agent.datastores.driver import HAND_OVER_SECONDS, Account, Place, Schema
from guest_agent.datastores.redis import acl
from guest_agent.datastores.redis.backups import RedisBackups
from guest_agent.toolkit.configuration import ConfigurationFiles, properties_codec
from guest_agent.toolkit.files import write_atomically
from guest_agent.toolkit.programs import line_of, program

OWN_USER = "os_admin"
ROOT = "default"
_SECONDS = 10


def build(place: Place) -> Redis:
    return Redis(place)


class Redis:
    """The driver; see ``guest_agent.datastores.driver``."""

    def __init__(self, place: Place) -> None:
        self._place = place
        owner = place.server_user
        self.files = ConfigurationFiles(place.local, "redis.conf", properties_codec(), owner)
        self.process = place.server_process()
        self._client = redis.Redis(
            unix_socket_path=str(place.runtime / "redis.sock"),
            username=OWN_USER,
            password=place.secret,
            decode_responses=True,
            socket_timeout=_SECONDS,
        )

        digest = hashlib.sha256(place.secret.encode()).hexdigest()
        self._own_user = f"user {OWN_USER} on #{digest} ~* &* +@all"
        self.log = None
        self.backups = RedisBackups(place, self._call, self._own_user, self._start, self.stop)

    # -- life ---------------------------------------------------------------

    def initialise(self) -> None:
        self._place.make_folders()
        owner = self._place.server_user
        users = f"{self._own_user}\nuser {ROOT} off resetpass -@all\n"
        write_atomically(self._place.data / "users.acl", users, 0o600, owner)

    def start(self) -> None:
        self._start()

    def _start(self, *arguments: str) -> None:
        self._place.make_folders()
        command = [program("redis-server"), str(self.files.base), *arguments]
        self.process.start_until(self.answers, command, self._place.server_user)

    def stop(self) -> None:
        self.process.stop()

    def hand_over(self) -> None:
        self.process.stop(deadline=HAND_OVER_SECONDS)

    def line(self) -> str:
        return line_of(program("redis-server"), 2)

    def upgrade(self, line: str) -> None:
        # A newer server reads what an older one wrote, and writes it anew in its own form.
        self.start()

    def answers(self) -> bool:
        try:
            return bool(self._client.ping())
        except (redis.RedisError, OSError):
            return False

    def version(self) -> str:
        return str(self._call("INFO", "server")["redis_version"])

    # -- configuration ------------------------------------------------------

    def render(self, memory_mib: int) -> str:
        template = resources.files(__package__).joinpath("templates/redis.conf").read_text()
        return string.Template(template).substitute(
            address=self._place.address,
            port=self._place.port,
            runtime=self._place.runtime,
            data=self._place.data,
            memory=max(16, memory_mib * 3 // 4) << 20,
            overrides=self.files.overrides,
        )

    def effective(self, names: list[str]) -> dict[str, str]:
        # Redis 6.2 takes one name at a time.
        found = {name: self._call("CONFIG GET", name).get(name) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    def apply_live(self, values: dict[str, str]) -> list[str]:
        applied = []
        for name, value in self.files.returning_to_base(values).items():
            try:
                self._client.config_set(name, value)
                applied.append(name)
            except redis.ResponseError as error:
                if "immutable" not in str(error):
                    raise GuestError(f"the server refuses {name} = {value}", str(error)) from error
        return applied

    # -- databases: Redis numbers them, nobody makes or drops one ------------

    def schemas(self) -> list[Schema]:
        return []

    def create_schema(self, schema: Schema) -> None:
        raise Refused("Redis has no databases to create")

    def drop_schema(self, name: str) -> None:
        raise Refused("Redis has no databases to drop")

    # -- logins -------------------------------------------------------------

    def accounts(self) -> list[Account]:
        return [each for each in self._listed() if each.name not in (OWN_USER, ROOT)]

    def create_account(self, name: str, host: str, password: str) -> None:
        self._set_user(name, "on", *acl.password_rules(password))

    def drop_account(self, name: str, host: str) -> None:
        self._call("ACL DELUSER", name)
        self._call("ACL SAVE")

    def rename_account(self, name: str, host: str, new_name: str, new_host: str) -> None:
        raise Refused("Redis cannot rename a user")

    def set_password(self, name: str, host: str, password: str) -> None:
        self._set_user(name, *acl.password_rules(password))

    def set_grants(self, name: str, host: str, grants: dict[str, list[str]]) -> None:
        self._set_user(name, *acl.grant_rules(grants))

    def root(self) -> Account | None:
        return next((a for a in self._listed() if a.name == ROOT and a.verifier), None)

    def enable_root(self, password: str) -> None:
        everything = acl.grant_rules({acl.EVERYWHERE: [acl.ALL]})
        self._set_user(ROOT, "on", *acl.password_rules(password), *everything)

    def disable_root(self) -> None:
        self._set_user(ROOT, "reset")

    def _listed(self) -> list[Account]:
        return sorted(map(acl.account, self._call("ACL LIST")), key=lambda each: each.name)

    def _set_user(self, name: str, *rules: str) -> None:
        self._call("ACL SETUSER", name, *rules)
        self._call("ACL SAVE")

    def _call(self, *command: str) -> Any:
        try:
            return self._client.execute_command(*command)  # type: ignore[no-untyped-call]
        except redis.ConnectionError as error:
            raise TryLater("the server does not answer yet") from error
        except redis.ResponseError as error:
            raise GuestError(f"Redis refused {command[0]}", str(error)) from None
