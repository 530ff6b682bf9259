"""What one document says of another, and of its datastore: checked and resolved.

Visibility follows kilo-datastore-visibility. That a version is inactive or
deprecated is a warning here: instances that run it stay; making new ones is
the planner's to refuse.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from specs import layouts
from specs.definitions import Definition, Definitions, default_version
from specs.desired import Address, Desired, Offer, Origin
from specs.layouts import Path
from specs.models import Backup, BackupSchedule, ConfigurationGroup, Datastore, Instance
from specs.models.datastore import Version
from specs.models.instance import DatastoreRef, Grant, User, Volume
from specs.parameters import BadValue
from specs.problems import ERROR, WARNING, suggestion


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake at a path inside one document."""

    origin: Origin
    path: Path
    message: str
    severity: str = ERROR
    at_key: bool = False


@dataclass(frozen=True, slots=True)
class _Refusal(Exception):
    path: Path
    message: str


def resolve(
    desired: Desired, definitions: Definitions, storages: Collection[str] = ()
) -> tuple[Desired, list[Finding]]:
    """*desired* with offers and canonical parameters, and everything that does not fit."""
    findings: list[Finding] = []
    offers: dict[Address, Offer] = {}
    volumes: dict[Address, dict[str, Volume]] = {}
    parameters: dict[Address, dict[str, str]] = {}
    for name, datastore in desired.datastores.items():
        origin = desired.origins["Datastore", Address("", name)]
        findings += [Finding(origin, p, m) for p, m in _check_datastore(datastore, definitions)]
    for address, group in desired.groups.items():
        origin = desired.origins["ConfigurationGroup", address]
        parameters[address], group_findings = _group(group, address, origin, desired, definitions)
        findings += group_findings
    for address, instance in desired.instances.items():
        origin = desired.origins["Instance", address]
        try:
            offer = _offer(instance.spec.datastore, address.project, desired, definitions)
        except _Refusal as refusal:
            findings.append(Finding(origin, refusal.path, refusal.message))
            continue
        offers[address] = offer
        volumes[address] = layouts.volumes_of(instance, address, offer.definition, desired)
        for path, message in _check_instance(instance, address, offer, desired):
            findings.append(Finding(origin, path, message))
        if not offer.active or offer.deprecated:
            word = "deprecated" if offer.deprecated else "not active"
            text = f"{offer.datastore} {offer.version} is {word}; new instances are refused"
            findings.append(Finding(origin, ("spec", "datastore"), text, WARNING))
    findings += _check_placement(desired)
    for address, backup in desired.backups.items():
        findings += _check_backup(backup, address, offers, desired)
        findings += _check_storage(backup, desired.origins["Backup", address], storages)
    for address, schedule in desired.schedules.items():
        findings += _check_schedule(schedule, address, offers, desired)
        findings += _check_storage(schedule, desired.origins["BackupSchedule", address], storages)
    resolved = replace(desired, offers=offers, volumes=volumes, parameters=parameters)
    return resolved, findings


def _check_schedule(
    schedule: BackupSchedule, address: Address, offers: dict[Address, Offer], desired: Desired
) -> Iterator[Finding]:
    origin = desired.origins["BackupSchedule", address]
    known = [each.name for each in desired.instances if each.project == address.project]
    for index, name in enumerate(schedule.spec.targets.instances):
        path = ("spec", "targets", "instances", index)
        offer = offers.get(Address(address.project, name))
        if name not in known:
            hint = suggestion(name, known)
            yield Finding(origin, path, f'no Instance "{name}" in {address.project}{hint}')
        elif offer and not offer.definition.can("backup"):
            yield Finding(origin, path, f"{offer.definition.title} has no backups")


def _check_storage(
    document: Backup | BackupSchedule, origin: Origin, storages: Collection[str]
) -> Iterator[Finding]:
    name = document.spec.storage
    if name is not None and name not in storages:
        text = f'gitrove.yaml has no "{name}" under backups.storages{suggestion(name, storages)}'
        yield Finding(origin, ("spec", "storage"), text)


def _check_backup(
    backup: Backup, address: Address, offers: dict[Address, Offer], desired: Desired
) -> Iterator[Finding]:
    origin = desired.origins["Backup", address]
    offer = offers.get(Address(address.project, backup.spec.instance))
    if offer is None:
        return  # A backup may outlive its instance.
    title = offer.definition.title
    if not offer.definition.can("backup"):
        yield Finding(origin, ("spec",), f"{title} has no backups")
    elif backup.spec.incremental and not offer.definition.can("incrementalBackup"):
        yield Finding(origin, ("spec", "incremental"), f"{title} has no incremental backups")


def _check_datastore(datastore: Datastore, definitions: Definitions) -> Iterator[tuple[Path, str]]:
    manager = datastore.spec.manager or datastore.metadata.name
    definition = definitions.get(manager)
    if definition is None:
        path = ("spec", "manager") if datastore.spec.manager else ("metadata", "name")
        yield path, f'no datastore definition "{manager}"{suggestion(manager, definitions)}'
        return
    names = [version.name for version in datastore.spec.versions]
    for index, version in enumerate(datastore.spec.versions):
        if version.name not in definition.versions:
            hint = suggestion(version.name, definition.versions)
            yield (
                ("spec", "versions", index, "name"),
                (f'{definition.title} has no version "{version.name}"{hint}'),
            )
        if names.index(version.name) != index:
            yield ("spec", "versions", index, "name"), f'version "{version.name}" stands here twice'
        if version.members and version.visibility != "private":
            yield ("spec", "versions", index, "members"), "only a private version has members"
    default = datastore.spec.default_version
    if default is not None and default not in names:
        yield ("spec", "defaultVersion"), f'no version "{default}"{suggestion(default, names)}'


def _offer(ref: DatastoreRef, project: str, desired: Desired, definitions: Definitions) -> Offer:
    name_path: Path = ("spec", "datastore", "name")
    version_path: Path = ("spec", "datastore", "version" if ref.version else "name")
    registered = desired.datastores.get(ref.name)
    manager = (registered.spec.manager if registered else None) or ref.name
    definition = definitions.get(manager)
    if definition is None:
        known = {*definitions, *desired.datastores}
        raise _Refusal(name_path, f'unknown datastore "{ref.name}"{suggestion(ref.name, known)}')
    if registered is None:
        version = ref.version or default_version(definition)
        if version not in definition.versions:
            hint = suggestion(version, definition.versions)
            raise _Refusal(version_path, f'{definition.title} has no version "{version}"{hint}')
        return Offer(definition, ref.name, version, f"{ref.name}-{version}")
    wanted = ref.version or registered.spec.default_version or registered.spec.versions[0].name
    visible = {v.name: v for v in registered.spec.versions if _visible(v, project)}
    chosen = visible.get(wanted)
    if chosen is None or chosen.name not in definition.versions:
        listed = [v.name for v in visible.values() if v.visibility in ("public", "private")]
        hint = suggestion(wanted, listed)
        raise _Refusal(version_path, f'{ref.name} has no version "{wanted}" for {project}{hint}')
    image = chosen.image or f"{ref.name}-{chosen.name}"
    deprecated = chosen.visibility == "deprecated"
    return Offer(definition, ref.name, chosen.name, image, chosen.active, deprecated)


def _visible(version: Version, project: str) -> bool:
    return version.visibility != "private" or project in version.members


def _group(
    group: ConfigurationGroup,
    address: Address,
    origin: Origin,
    desired: Desired,
    definitions: Definitions,
) -> tuple[dict[str, str], list[Finding]]:
    try:
        offer = _offer(group.spec.datastore, address.project, desired, definitions)
    except _Refusal as refusal:
        return {}, [Finding(origin, refusal.path, refusal.message)]
    definition = offer.definition
    if not definition.can("configuration"):
        return {}, [Finding(origin, ("spec",), f"{definition.title} has no configuration groups")]
    values: dict[str, str] = {}
    findings = []
    for name, value in group.spec.values.items():
        path = ("spec", "values", name)
        if objection := _parameter_objection(definition, name, offer.version):
            findings.append(Finding(origin, path, objection, at_key=True))
            continue
        parameter = definition.parameters[name]
        try:
            canonical = definition.canonical(name, value)
        except BadValue as error:
            findings.append(Finding(origin, path, f"{name}: {error}"))
            continue
        if "\n" in canonical or "\x00" in canonical:
            findings.append(Finding(origin, path, f"{name}: a value must be one line"))
        elif parameter.name in values:
            findings.append(Finding(origin, path, f"{name} is {parameter.name}, which is set too"))
        values[parameter.name] = canonical
    return values, findings


def _parameter_objection(definition: Definition, name: str, version: str) -> str:
    parameter = definition.parameters.get(name)
    if parameter is None:
        hint = suggestion(name, [n for n, p in definition.parameters.items() if not p.until])
        return f'{definition.title} has no parameter "{name}"{hint}'
    if parameter.until:
        successor = f'; use "{parameter.replaced_by}"' if parameter.replaced_by else ""
        return f'{definition.title} {version} no longer has the parameter "{name}"{successor}'
    if parameter.control == "guest":
        return f'the parameter "{name}" is controlled by the guest agent'
    return ""


def _check_instance(
    instance: Instance, address: Address, offer: Offer, desired: Desired
) -> Iterator[tuple[Path, str]]:
    spec = instance.spec
    yield from layouts.check(instance, address, offer.definition, desired)
    yield from _check_sizes(instance, address, offer, desired)
    if spec.configuration:
        group = desired.groups.get(Address(address.project, spec.configuration))
        if group is None:
            known = [each.name for each in desired.groups if each.project == address.project]
            hint = suggestion(spec.configuration, known)
            text = f'no ConfigurationGroup "{spec.configuration}" in {address.project}{hint}'
            yield ("spec", "configuration"), text
        elif group.spec.datastore.name != offer.datastore:
            yield ("spec", "configuration"), f"the group is for {group.spec.datastore.name}"
    yield from _check_databases(instance, offer.definition)
    seen: set[tuple[str, str]] = set()
    for index, user in enumerate(spec.users):
        yield from _check_user(user, ("spec", "users", index), instance, offer.definition)
        key = (user.name, user.host or "%")
        if key in seen:
            yield ("spec", "users", index, "name"), f'the user "{user.name}" stands here twice'
        seen.add(key)
    if spec.restore_from and not offer.definition.can("backup"):
        yield ("spec", "restoreFrom"), f"{offer.definition.title} has no backups"
    if spec.point_in_time_recovery and not offer.definition.can("pointInTime"):
        text = f"{offer.definition.title} cannot be restored to a point in time"
        yield ("spec", "pointInTimeRecovery"), text
    if spec.root.enabled and not offer.definition.can("root"):
        yield ("spec", "root"), f"{offer.definition.title} cannot enable root"


def _check_placement(desired: Desired) -> Iterator[Finding]:
    """A group has one policy, that of the first instance which names it."""
    policies: dict[tuple[str, str], str] = {}
    for address, instance in desired.instances.items():
        placed = instance.spec.placement
        if placed is None:
            continue
        policy = policies.setdefault((address.project, placed.group), placed.policy)
        if policy != placed.policy:
            text = f'the group "{placed.group}" has the policy {policy} in another instance'
            origin = desired.origins["Instance", address]
            yield Finding(origin, ("spec", "placement"), text)


def _check_sizes(
    instance: Instance, address: Address, offer: Offer, desired: Desired
) -> Iterator[tuple[Path, str]]:
    registered = desired.datastores.get(offer.datastore)
    if registered is None:
        return
    version = next(v for v in registered.spec.versions if v.name == offer.version)
    flavor = instance.spec.flavor
    called = f"{offer.datastore} {offer.version}"
    if version.flavors and flavor not in version.flavors:
        hint = suggestion(flavor, version.flavors)
        yield ("spec", "flavor"), f'the flavor "{flavor}" is not allowed for {called}{hint}'
    if not version.volume_types:
        return
    where: Path = ("spec", "volume") if instance.spec.volume else ("spec", "volumeLayout")
    for kind, volume in layouts.volumes_of(instance, address, offer.definition, desired).items():
        if volume.type is None:
            choices = ", ".join(version.volume_types)
            yield where, f"{called} needs a volume type for {kind}; allowed are {choices}"
        elif volume.type not in version.volume_types:
            hint = suggestion(volume.type, version.volume_types)
            text = f'the volume type "{volume.type}" is not allowed for {called}{hint}'
            yield (*where, "type") if instance.spec.volume else where, text


def _check_databases(instance: Instance, definition: Definition) -> Iterator[tuple[Path, str]]:
    databases = instance.spec.databases
    if databases and not (definition.can("databases") and definition.database_names):
        yield ("spec", "databases"), f"{definition.title} has no databases to declare"
        return
    seen = set()
    for index, database in enumerate(databases):
        path: Path = ("spec", "databases", index, "name")
        names = definition.database_names
        if names and (objection := names.objection(database.name)):
            yield path, f'the database name "{database.name}" {objection}'
        if database.name in seen:
            yield path, f'the database "{database.name}" stands here twice'
        seen.add(database.name)
        for field in ("character_set", "collation"):
            value = getattr(database, field)
            if value and not value.replace("_", "").replace("-", "").replace(".", "").isalnum():
                alias = "characterSet" if field == "character_set" else field
                yield ("spec", "databases", index, alias), f'"{value}" is not a name'


def _check_user(
    user: User, path: Path, instance: Instance, definition: Definition
) -> Iterator[tuple[Path, str]]:
    names = definition.user_names
    if names is None:
        yield path, f"{definition.title} has no users to declare"
        return
    if objection := names.objection(user.name):
        yield (*path, "name"), f'the user name "{user.name}" {objection}'
    if user.former_name is not None:
        if not definition.can("renameUser"):
            yield (*path, "formerName"), f"{definition.title} cannot rename a user"
        elif objection := names.objection(user.former_name):
            yield (*path, "formerName"), f'the user name "{user.former_name}" {objection}'
    if user.host is not None and not definition.can("hosts"):
        yield (*path, "host"), f"{definition.title} has no hosts of users"
    elif user.host is not None and not _host_is_plain(user.host):
        yield (*path, "host"), f'"{user.host}" is not a host, an address or a pattern of them'
    targets = set()
    for index, grant in enumerate(user.grants):
        yield from _check_grant(grant, (*path, "grants", index), instance, definition)
        if grant.database in targets:
            yield (*path, "grants", index), f'"{grant.database}" has two grants; make them one'
        targets.add(grant.database)


def _host_is_plain(host: str) -> bool:
    return 0 < len(host) <= 255 and all(c.isalnum() or c in "%_.:-/" for c in host)


def _check_grant(
    grant: Grant, path: Path, instance: Instance, definition: Definition
) -> Iterator[tuple[Path, str]]:
    declared = [database.name for database in instance.spec.databases]
    if grant.database != "*" and grant.database not in declared:
        hint = suggestion(grant.database, declared)
        yield (*path, "database"), f'no database "{grant.database}" in this instance{hint}'
        return
    table = definition.privileges
    known = table.everywhere if grant.database == "*" else table.on_database
    for index, privilege in enumerate(grant.privileges):
        if privilege in known or (table.rules and re.fullmatch(table.rules, privilege)):
            continue
        if grant.database == "*" and privilege in table.on_database:
            yield path, f"{definition.title} grants {privilege} on a database; name one"
            continue
        hint = suggestion(privilege, known)
        yield (*path, "privileges", index), f'unknown privilege "{privilege}"{hint}'
