"""Another version of its datastore, on the same volume and address (newton-instance-upgrade).

Only a declared version upgrades what exists: a new default is for new instances.
"""

from __future__ import annotations

from guest_agent.contract import report as words
from planners import observed as seen
from planners.case import Answer, Case, Draft
from planners.plan import Change, Impact, Note, Obstacle, Verb
from planners.steps import UpgradeServer


def upgrade(case: Case) -> Answer:
    """A draft to rebuild the server from the image of the wished version and upgrade its data."""
    server, report = case.found.server, case.report
    address = str(case.address)
    before = _version(case)
    if server is None or server.status == "ERROR" or not before:
        return
    if before not in (case.offer.version, *_upgrades_from(case)):
        text = f"{case.offer.datastore} {before} cannot become {case.offer.version}"
        known = ", ".join(_upgrades_from(case)) or "nothing"
        text += f", which upgrades from {known}; restore a backup into an instance of {before}"
        yield Obstacle(address=address, text=text)
        return
    if not case.offer.active:
        text = f"{case.offer.datastore} {case.offer.version} is not active; choose another version"
        yield Obstacle(address=address, text=text)
        return
    images = case.catalogue.images
    if images and case.offer.image not in images:
        text = f'the cloud has no image "{case.offer.image}" for {case.offer.datastore}'
        yield Obstacle(address=address, text=f"{text} {case.offer.version}")
        return
    runs = report is not None and report.status == words.RUNNING
    if server.image != case.offer.image and not runs and not waits_for_upgrade(case):
        text = f"it is upgraded to {case.offer.version} when its database server runs"
        yield Note(address=address, text=text)
        return
    step = UpgradeServer(
        instance=case.id,
        server=server.id,
        datastore=case.offer.definition.name,
        image=case.offer.image,
        version=case.offer.version,
        memory=case.memory,
        configuration=dict(sorted(case.configuration.items())),
    )
    if not any(b.complete and b.instance == case.id for b in case.world.observed.backups):
        text = "there is no backup of it to return to, should the upgrade disappoint"
        yield Note(address=address, text=text)
    changes = []
    if before != case.offer.version:
        after = f"{case.offer.datastore} {case.offer.version}"
        changes = [
            Change(field="datastore", before=f"{case.offer.datastore} {before}", after=after)
        ]
    if server.image != case.offer.image:
        changes.append(Change(field="image", before=server.image, after=case.offer.image))
    reason = "another version is declared" if before != case.offer.version else "of another image"
    yield Draft("server", Verb.UPDATE, step, reason, Impact.DOWNTIME, changes)


def waits_for_upgrade(case: Case) -> bool:
    """Whether nothing else can be done inside before the data is upgraded."""
    return case.report is not None and bool(case.report.upgrades_from)


def _upgrades_from(case: Case) -> list[str]:
    known = case.offer.definition.versions.get(case.offer.version)
    return known.upgrades_from if known else []


def _version(case: Case) -> str:
    """The version that would have to be upgraded; empty when none."""
    server = case.found.server
    if case.report is not None and case.report.upgrades_from:
        return case.report.upgrades_from
    if server is None:
        return ""
    present = server.metadata.get(seen.VERSION, case.offer.version)
    if present != case.offer.version:
        return present if case.wanted.spec.datastore.version else ""
    images = case.catalogue.images
    return present if server.image in images and server.image != case.offer.image else ""
