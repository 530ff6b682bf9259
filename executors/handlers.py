"""One small handler per step type. Each may be repeated after a crash at any point."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from executors import backups, keys
from executors.cloud.interface import Boot, Cloud, Disk, Endpoint, Identity, machine_of
from executors.errors import Failed, Passing
from executors.guest.interface import Guests
from executors.keys import ControlKey
from executors.storage.interface import Stores
from guest_agent.contract import backup as words
from planners import observed as seen
from planners import steps
from planners.case import SecretMissing
from planners.steps import SecretSource, Step
from specs.definitions import Definition

_UNHEARD_SECONDS = 45.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Context:
    """What handlers act with."""

    cloud: Cloud
    guests: Guests
    key: ControlKey
    definitions: Mapping[str, Definition]
    repository: str = ""
    """The name that everything made is marked with."""
    stores: Stores = field(default_factory=dict)
    """Where backups are kept, by name."""
    tell: Callable[[str, str], None] = lambda _instance, _text: None
    """Told how a long action on an instance does."""


Handler = Callable[[Any, Context], None]
HANDLERS: dict[type[Step], Handler] = {}
_Handler = TypeVar("_Handler", bound=Handler)


def handles(step: type[Step]) -> Callable[[_Handler], _Handler]:
    def register(handler: _Handler) -> _Handler:
        HANDLERS[step] = handler
        return handler

    return register


def handle(step: Step, context: Context) -> None:
    """Run the step's handler. Raises Passing or Failed."""
    try:
        HANDLERS[type(step)](step, context)
    except SecretMissing as error:
        raise Failed(str(error)) from None


# -- the cloud ----------------------------------------------------------------


@handles(steps.AllowAccess)
def allow_access(step: steps.AllowAccess, context: Context) -> None:
    context.cloud.allow_access(_identity(step, context), step.database, step.cidrs)


@handles(steps.DeleteGroup)
def delete_group(step: steps.DeleteGroup, context: Context) -> None:
    context.cloud.delete_group(step.group)


@handles(steps.AssignFloating)
def assign_floating(step: steps.AssignFloating, context: Context) -> None:
    context.cloud.assign_floating(_identity(step, context), step.network)


@handles(steps.ReleaseFloating)
def release_floating(step: steps.ReleaseFloating, context: Context) -> None:
    context.cloud.release_floating(step.floating)


@handles(steps.CreatePort)
def create_port(step: steps.CreatePort, context: Context) -> None:
    context.cloud.create_port(_identity(step, context), step.address)


@handles(steps.DeletePort)
def delete_port(step: steps.DeletePort, context: Context) -> None:
    context.cloud.delete_port(step.port)


@handles(steps.CreateVolume)
def create_volume(step: steps.CreateVolume, context: Context) -> None:
    disk = Disk(step.size, step.datastore, step.volume_type, step.zone, step.kind, step.image)
    context.cloud.create_volume(_identity(step, context), disk)


@handles(steps.ExtendVolume)
def extend_volume(step: steps.ExtendVolume, context: Context) -> None:
    context.cloud.extend_volume(step.volume, step.size)


@handles(steps.DeleteVolume)
def delete_volume(step: steps.DeleteVolume, context: Context) -> None:
    context.cloud.delete_volume(step.volume)


@handles(steps.Adopt)
def adopt(step: steps.Adopt, context: Context) -> None:
    context.cloud.adopt(_identity(step, context), step.pieces, step.marks)


@handles(steps.CreateServer)
def create_server(step: steps.CreateServer, context: Context) -> None:
    boot = _boot(step, keys.new_salt(), context)
    context.cloud.create_server(_identity(step, context), machine_of(step), boot)


def _boot(step: steps.CreateServer | steps.UpgradeServer, salt: str, context: Context) -> Boot:
    return boot_of(step.instance, context.definitions[step.datastore], salt, context.key)


def boot_of(instance: str, definition: Definition, salt: str, key: ControlKey) -> Boot:
    """What the guest of an instance is told."""
    return Boot(
        datastore=definition.name,
        package=definition.package,
        port=definition.port,
        server_user=definition.server_user,
        salt=salt,
        key=key.guest_key(instance, salt),
        secret=key.agent_password(instance),
        cloud_config=definition.cloud_config,
    )


@handles(steps.StartServer)
def start_server(step: steps.StartServer, context: Context) -> None:
    context.cloud.start_server(step.server)
    _wait_for_guest(step.instance, context)


@handles(steps.ResizeServer)
def resize_server(step: steps.ResizeServer, context: Context) -> None:
    context.cloud.resize_server(step.server, step.flavor)
    try:
        _wait_for_guest(step.instance, context)
    except Failed:
        context.cloud.revert_resize(step.server)
        raise
    context.cloud.confirm_resize(step.server)


@handles(steps.UpgradeServer)
def upgrade_server(step: steps.UpgradeServer, context: Context) -> None:
    _wait_for_guest(step.instance, context)
    _call(step, context, "pre_upgrade")
    boot = _boot(step, _endpoint(step.instance, context).salt, context)
    context.cloud.rebuild_server(step.server, step.image, boot)
    _wait_for_guest(step.instance, context)
    _call(
        step,
        context,
        "post_upgrade",
        memory_mib=step.memory,
        configuration=step.configuration,
    )
    context.cloud.set_metadata(step.server, seen.VERSION, step.version)


@handles(steps.RotateKey)
def rotate_key(step: steps.RotateKey, context: Context) -> None:
    # The guest opens messages with either key until the new one was used: whichever the
    # server's metadata leads to, should this end half way.
    salt = keys.new_salt()
    _call(step, context, "rotate_key", key=context.key.guest_key(step.instance, salt))
    context.cloud.set_metadata(step.server, seen.SALT, salt)
    _call(step, context, "ping")
    context.cloud.set_metadata(step.server, seen.KEY_ROTATION, str(step.rotation))


@handles(steps.Mark)
def mark(step: steps.Mark, context: Context) -> None:
    context.cloud.set_metadata(step.server, step.mark, "true" if step.on else "")


@handles(steps.DeleteServer)
def delete_server(step: steps.DeleteServer, context: Context) -> None:
    context.cloud.delete_server(step.server)


# -- the guest ----------------------------------------------------------------


@handles(steps.Prepare)
def prepare(step: steps.Prepare, context: Context) -> None:
    _wait_for_guest(step.instance, context)
    needs = _needs(step.datastore, context)
    restore = backups.restore_order(step.restore, step.until, context.stores, context.key, needs)
    _call(
        step,
        context,
        "prepare",
        memory_mib=step.memory,
        configuration=step.configuration,
        **({"restore": restore} if restore else {}),
    )


@handles(steps.TakeFinalBackup)
@handles(steps.TakeBackup)
def take_backup(step: steps.TakeBackup, context: Context) -> None:
    if _runs(step, context):
        # A control plane that ended while it ran began it.
        _wait_for_backup(step, context)
        return
    order = backups.backup_order(step, context.stores, context.key)
    if order is None:
        return
    _call(
        step,
        context,
        "begin_backup",
        backup=asdict(order.backup),
        after=order.after,
        key=order.key,
        storage=order.storage,
    )
    _wait_for_backup(step, context)


def _runs(step: steps.TakeBackup | steps.DeleteBackup, context: Context) -> bool:
    told = context.guests.call(
        _endpoint(step.instance, context), "backup_progress", identifier=step.backup
    )
    return bool(told["state"] == words.RUNNING)


def _wait_for_backup(step: steps.TakeBackup, context: Context) -> None:
    unheard = time.monotonic()
    endpoint = _endpoint(step.instance, context)
    while True:
        try:
            told = context.guests.call(endpoint, "backup_progress", identifier=step.backup)
        except Passing as error:
            if time.monotonic() - unheard > _UNHEARD_SECONDS:
                raise Failed(error.message, error.details) from None
        else:
            unheard = time.monotonic()
            if told["state"] == words.COMPLETED:
                return
            if told["state"] == words.FAILED:
                raise Failed(f"the backup {step.name} failed: {told['fault']}", told["details"])
            context.tell(step.instance, f"{told['raw_bytes'] >> 20} MiB backed up")
        time.sleep(_POLL_SECONDS)


@handles(steps.EnableArchive)
def enable_archive(step: steps.EnableArchive, context: Context) -> None:
    order = backups.archive_order(step, context.stores, context.key)
    _call(step, context, "enable_archive", **order)


@handles(steps.DisableArchive)
def disable_archive(step: steps.DisableArchive, context: Context) -> None:
    _call(step, context, "disable_archive")


@handles(steps.DeleteBackup)
def delete_backup(step: steps.DeleteBackup, context: Context) -> None:
    endpoint = context.cloud.endpoint(step.instance)
    if endpoint is not None:
        # One that still runs would go on; a guest that does not answer finds it gone at its end.
        with suppress(Passing, Failed):
            context.guests.call(endpoint, "cancel_backup", identifier=step.backup)
            limit = time.monotonic() + _UNHEARD_SECONDS
            while _runs(step, context) and time.monotonic() < limit:
                time.sleep(_POLL_SECONDS)
    needs = _needs(step.datastore, context)
    backups.erase(step, context.stores, needs, lives=endpoint is not None)


@handles(steps.Configure)
def configure(step: steps.Configure, context: Context) -> None:
    _call(
        step,
        context,
        "configure",
        memory_mib=step.memory,
        configuration=step.configuration,
        defaults=step.defaults,
    )


@handles(steps.StartDatabase)
def start_database(step: steps.StartDatabase, context: Context) -> None:
    _call(step, context, "start")


@handles(steps.RestartDatabase)
def restart_database(step: steps.RestartDatabase, context: Context) -> None:
    _call(step, context, "restart")


@handles(steps.CreateDatabase)
def create_database(step: steps.CreateDatabase, context: Context) -> None:
    _call(
        step,
        context,
        "create_database",
        name=step.name,
        character_set=step.character_set,
        collation=step.collation,
    )


@handles(steps.DropDatabase)
def drop_database(step: steps.DropDatabase, context: Context) -> None:
    _call(step, context, "drop_database", name=step.name)


@handles(steps.CreateUser)
def create_user(step: steps.CreateUser, context: Context) -> None:
    _call(
        step,
        context,
        "create_user",
        name=step.name,
        host=step.host,
        password=_password(step.instance, step.name, step.host, step.password, context),
        fingerprint=step.fingerprint,
        grants=step.grants,
    )


@handles(steps.RenameUser)
def rename_user(step: steps.RenameUser, context: Context) -> None:
    _call(
        step,
        context,
        "rename_user",
        name=step.name,
        host=step.host,
        new_name=step.new_name,
        new_host=step.new_host,
        password=_password(step.instance, step.new_name, step.new_host, step.password, context),
        fingerprint=step.fingerprint,
    )


@handles(steps.SetPassword)
def set_password(step: steps.SetPassword, context: Context) -> None:
    _call(
        step,
        context,
        "set_password",
        name=step.name,
        host=step.host,
        password=_password(step.instance, step.name, step.host, step.password, context),
        fingerprint=step.fingerprint,
    )


@handles(steps.SetGrants)
def set_grants(step: steps.SetGrants, context: Context) -> None:
    _call(step, context, "set_grants", name=step.name, host=step.host, grants=step.grants)


@handles(steps.DropUser)
def drop_user(step: steps.DropUser, context: Context) -> None:
    _call(step, context, "drop_user", name=step.name, host=step.host)


@handles(steps.EnableRoot)
def enable_root(step: steps.EnableRoot, context: Context) -> None:
    password = context.key.password(step.instance, "root", step.password)
    _call(step, context, "enable_root", password=password, fingerprint=step.fingerprint)


@handles(steps.DisableRoot)
def disable_root(step: steps.DisableRoot, context: Context) -> None:
    _call(step, context, "disable_root")


def _needs(datastore: str, context: Context) -> backups.Needs:
    """By the datastore's hints; one without an archive has nothing that a backup needs."""
    definition = context.definitions.get(datastore)
    if definition is None or not definition.can("pointInTime"):
        return lambda _name, _position: True
    needs: backups.Needs = importlib.import_module(f"{definition.package}.hints").needs
    return needs


def _identity(step: steps.OfInstance, context: Context) -> Identity:
    return Identity(step.project, step.name, step.instance, context.repository, step.region)


def _password(instance: str, name: str, host: str, source: SecretSource, context: Context) -> str:
    return context.key.password(instance, f"{name}@{host}", source)


def _call(step: Step, context: Context, method: str, **params: Any) -> None:
    context.guests.call(_endpoint(step.instance, context), method, **params)


def _endpoint(instance: str, context: Context) -> Endpoint:
    endpoint = context.cloud.endpoint(instance)
    if endpoint is None:
        raise Failed("the instance has no server")
    return endpoint


def _wait_for_guest(instance: str, context: Context) -> None:
    endpoint = _endpoint(instance, context)
    deadline = context.cloud.boot_seconds
    limit = time.monotonic() + deadline
    while True:
        try:
            context.guests.call(endpoint, "ping")
        except Passing as error:
            if time.monotonic() > limit:
                raise Failed(f"{error.message}, for {deadline:.0f} s") from None
            time.sleep(_POLL_SECONDS)
        else:
            return
