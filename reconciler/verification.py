"""A backup restored into an instance that nobody declared, only to see that it can be."""

from __future__ import annotations

import json

from guest_agent.contract.report import RUNNING
from planners.observed import Observed, StoredBackup
from planners.planning import reports_by_address
from reconciler.workspace import Workspace
from specs.desired import Address, Desired
from specs.loading import Source, load
from specs.models.document import API_VERSION

_FILE = "(the throw-away instance)"
_GIB = 1 << 30


def with_throw_away(
    workspace: Workspace, backup: StoredBackup, flavor: str = ""
) -> tuple[Address, Desired]:
    """The address of a new instance made from *backup*, and what is desired with it.

    Left behind by a kill, it is what nobody declares, and the next plan deletes it.
    Raises SpecProblems.
    """
    desired, revision = workspace.desired, workspace.revision
    source = desired.instances.get(Address(backup.project, backup.instance_name))
    size = 1 + 3 * backup.raw_bytes // _GIB
    version = source.spec.datastore.version if source else None
    name = source.spec.datastore.name if source else backup.datastore
    flavors = sorted(workspace.cloud.observe().flavors, key=lambda each: -each.ram)
    spec = {
        "datastore": {"name": name} | ({"version": version} if version else {}),
        "flavor": flavor or (source.spec.flavor if source else flavors[0].name),
        "volume": {"size": max(size, source.spec.volume.size if source else 1)},
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
    return address, load(sources, workspace.definitions, project, revision.name)


def contents(observed: Observed, address: Address) -> list[str] | None:
    """The databases of the instance; None where its server does not run."""
    for found, _, report in reports_by_address(observed):
        if found == address and report is not None and report.status == RUNNING:
            return [database.name for database in report.databases]
    return None
