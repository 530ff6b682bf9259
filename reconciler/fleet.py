"""The fleet as rows and details to print: health, contents, faults, quotas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from guest_agent.contract.report import Archive, Report
from planners import observed as seen
from planners.case import NOTHING, Found
from planners.observed import Observed
from planners.planning import reports_by_address
from reconciler.health import Health, assess
from reconciler.journal.journal import Fault
from reconciler.journal.resources import Resource
from reconciler.moments import utc
from specs.desired import Address, Desired

Row = dict[str, Any]


def rows(
    desired: Desired,
    observed: Observed,
    faults: dict[str, str],
    known: Mapping[str, Resource] = MappingProxyType({}),
) -> list[Row]:
    """One row for every instance that is declared or exists; *known* is what a daemon recorded."""
    pieces = {address: (found, report) for address, found, report in reports_by_address(observed)}
    addresses = sorted({*desired.instances, *pieces})
    return [
        _row(a, *pieces.get(a, (NOTHING, None)), desired, faults, known.get(str(a)))
        for a in addresses
    ]


def _row(
    address: Address,
    found: Found,
    report: Report | None,
    desired: Desired,
    faults: dict[str, str],
    known: Resource | None,
) -> Row:
    offer = desired.offers.get(address)
    server = found.server
    datastore = server.metadata.get(seen.DATASTORE, "") if server else ""
    health, reason = assess(found, report)
    if address not in desired.instances:
        reason = "it is not declared"
    elif known is not None and known.health is Health.SUSPENDED:
        health, reason = known.health, known.reason
    elif known is not None and known.waits:
        reason = f"{reason}; {known.waits}" if reason else known.waits
    used = f"{(report.volume_used if report else 0) / 2**30:.2f}"
    return {
        "instance": str(address),
        "health": str(health),
        "since": utc(known.since) if known and known.health is health else "",
        "reason": reason,
        "datastore": datastore or (offer.datastore if offer else ""),
        "version": (report.version if report else "") or (offer.version if offer else ""),
        "address": found.port.address if found.port else "",
        "flavor": server.flavor if server else "",
        "volume": f"{used} of {found.volume.size} GiB" if found.volume else "",
        "host": f"{server.zone}/{server.host}" if server else "",
        "last fault": faults.get(str(address), ""),
    }


def details(
    address: Address, found: Found, observed: Observed, faults: list[Fault], admin: bool
) -> Row:
    """Everything about one instance. Details of faults are for administrators."""
    report = observed.guests.get(found.id)
    server, volume, port = found.server, found.volume, found.port
    health, reason = assess(found, report)
    shown: Row = {
        "instance": str(address),
        "id": found.id or "-",
        "health": str(health),
        "reason": reason,
        "address": port.address if port else "-",
    }
    if found.floating:
        shown["floatingAddress"] = ", ".join(each.address for each in found.floating)
    if server is not None:
        place = "/".join(filter(None, (server.region, server.zone, server.host)))
        shown |= {"server": server.id, "flavor": server.flavor, "host": place}
        shown["protected"] = bool(server.metadata.get(seen.PROTECTED))
        if placed := server.metadata.get(seen.PLACEMENT):
            shown["placement"] = placed
    if volume is not None:
        shown["volume"] = f"{volume.size} GiB, {volume.type}"
    for further in (each for each in found.volumes if each is not volume):
        shown[f"volume {further.kind}"] = f"{further.size} GiB, {further.type}"
    if report is not None:
        shown |= _contents(report)
    shown["faults"] = [_fault(fault, admin) for fault in faults]
    return shown


def _contents(report: Report) -> Row:
    configuration = report.configuration
    return {
        "datastore": f"{report.datastore} {report.version}",
        "volumeUsed": f"{report.volume_used / 2**20:.0f} MiB",
        "agent": report.agent_version,
        "databases": [asdict(each) for each in report.databases],
        "users": [
            {"name": u.name, "host": u.host, "managed": u.managed, "grants": u.grants}
            for u in report.users
        ],
        "root": {"enabled": report.root.enabled, "everEnabled": report.root.ever_enabled},
        "backup": _running_backup(report),
        "archive": _archive(report.archive),
        "configuration": {
            "memory": f"{configuration.memory_mib} MiB",
            "overrides": dict(configuration.file),
            "restartRequired": list(configuration.restart_required),
        },
    }


def _running_backup(report: Report) -> str:
    if not report.backup:
        return "none is running"
    return f"{report.backup} is running, {report.backup_read >> 20} MiB so far"


def _archive(archive: Archive) -> Row | str:
    """From when to when the instance can be restored to any time, given a backup."""
    if not archive.enabled:
        return "off"
    shown: Row = {"since": utc(archive.since), "until": utc(archive.until)}
    return shown | ({"fault": archive.fault} if archive.fault else {})


def _fault(fault: Fault, admin: bool) -> Row:
    when = utc(fault.created)
    shown = {"created": when, "item": fault.item, "message": fault.message}
    return shown | ({"details": fault.details} if admin and fault.details else {})


def usage(observed: Observed) -> dict[str, dict[str, int]]:
    """By project: instances, GiB of volumes, backups."""
    used: dict[str, dict[str, int]] = {}

    def of(project: str) -> dict[str, int]:
        return used.setdefault(project, {"instances": 0, "volumes": 0, "backups": 0})

    for address, found, _ in reports_by_address(observed):
        totals = of(address.project)
        totals["instances"] += 1
        totals["volumes"] += sum(volume.size for volume in found.volumes)
    for backup in observed.backups:
        of(backup.project)["backups"] += 1
    return used


def quota_rows(desired: Desired, observed: Observed) -> list[Row]:
    """What each project uses, and its limits."""
    used = usage(observed)
    rows = []
    for project in sorted({*used, *desired.quotas}):
        totals = used.get(project, {"instances": 0, "volumes": 0, "backups": 0})
        quota = desired.quotas.get(project)
        limits = quota.spec if quota else None
        rows.append(
            {
                "project": project,
                "instances": _of(totals["instances"], limits.instances if limits else None),
                "volumes": _of(totals["volumes"], limits.volumes if limits else None) + " GiB",
                "backups": _of(totals["backups"], limits.backups if limits else None),
            }
        )
    return rows


def _of(used: int, limit: int | None) -> str:
    return f"{used} of {limit}" if limit is not None else str(used)
