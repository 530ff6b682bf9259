"""A backup restored into an instance that nobody declared, only to see that it can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import replace

from guest_agent.contract.report import RUNNING
from planners.observed import Observed, StoredBackup
from planners.planning import reports_by_address
from policy.check import Consent
from reconciler.journal.requests import Requests
from reconciler.workspace import Workspace
from specs.desired import Address, Desired
from specs.loading import Source, load
from specs.models.document import API_VERSION

_FILE = "(the throw-away instance)"
_GIB = 1 << 30
_LONGEST = 6 * 3600.0
"""Seconds after which a verification is taken for dead."""


Act = Callable[[Workspace, str], None]
"""Does something with one address of a workspace. Raises whatever keeps it from that."""
REMOVAL = Consent(mass_destroy=True, tearing_down=True)


class NotRestored(Exception):
    """A backup was restored, and what came of it does not run."""


def verify(
    workspace: Workspace,
    backup: StoredBackup,
    converge: Act,
    remove: Act,
    observe: Callable[[], Observed],
    requests: Requests,
    flavor: str = "",
) -> list[str]:
    """The databases that *backup* gives to a throw-away instance, which is removed again.

    A daemon leaves it alone for so long. Left behind by a kill, it is what nobody declares, and
    a later plan deletes it.
    Raises NotRestored, SpecProblems, and what *converge* and *remove* raise.
    """
    address, desired = _with_throw_away(workspace, backup, flavor)
    wanted = _desiring(workspace, desired)
    requests.suspend(str(address), "gitrove", f"{backup.name} is verified in it", _LONGEST)
    try:
        converge(wanted, str(address))
        found = _contents(observe(), address)
    finally:
        if any(each == address for each, _, _ in reports_by_address(observe())):
            remove(_desiring(workspace, workspace.desired, {address.project}), str(address))
        requests.resume(str(address))
    if found is None:
        raise NotRestored(f"{backup.name} was restored, and its server does not run")
    return found


def _desiring(
    workspace: Workspace, desired: Desired, kept_projects: Collection[str] = ()
) -> Workspace:
    changed = replace(workspace, kept_projects=set(kept_projects))
    changed.desired = desired
    return changed


def _with_throw_away(
    workspace: Workspace, backup: StoredBackup, flavor: str
) -> tuple[Address, Desired]:
    """The address of a new instance made from *backup*, and what is desired with it."""
    desired, revision = workspace.desired, workspace.revision
    source = desired.instances.get(Address(backup.project, backup.instance_name))
    volumes = desired.volumes.get(Address(backup.project, backup.instance_name))
    size = 1 + 3 * backup.raw_bytes // _GIB
    name = source.spec.datastore.name if source else backup.datastore
    versions = workspace.definitions[backup.datastore].versions
    # Only the version that took it restores it, whatever the instance is by now.
    version = next((v for v in versions if f"{backup.version}.".startswith(f"{v}.")), None)
    flavors = sorted(workspace.cloud.observe().flavors, key=lambda each: -each.ram)
    spec = {
        "datastore": {"name": name} | ({"version": version} if version else {}),
        "flavor": flavor or (source.spec.flavor if source else flavors[0].name),
        "volume": {"size": max(size, volumes["data"].size if volumes else 1)},
        "restoreFrom": {"backup": backup.name},
    }
    address = Address(backup.project, f"verify-{backup.id[:8]}")
    document = {
        "apiVersion": API_VERSION,
        "kind": "Instance",
        "metadata": {"name": address.name, "project": address.project},
        "spec": spec,
    }
    sources = [*revision.sources, Source(_FILE, json.dumps(document).encode())]
    project = revision.settings.defaults.project
    return address, load(
        sources,
        workspace.definitions,
        project,
        revision.name,
        storages=revision.settings.backups.storages,
    )


def _contents(observed: Observed, address: Address) -> list[str] | None:
    """The databases of the instance; None where its server does not run."""
    for found, _, report in reports_by_address(observed):
        if found == address and report is not None and report.status == RUNNING:
            return [database.name for database in report.databases]
    return None
