"""One instance as planner passes see it, from a few lines of YAML and what is found of it."""

from __future__ import annotations

from typing import Any

from guest_agent.contract import report as words
from guest_agent.contract.report import Configuration, Report
from planners.case import NOTHING, Answer, Case, Draft, Found, World
from planners.observed import CloudState, Flavor, Observed, Port, Record, Server, Volume
from planners.plan import Note, Obstacle
from planners.steps import SecretSource
from specs.desired import Address
from tests.support.worlds import desire

ID = "11111111-1111-1111-1111-111111111111"
METADATA = {"gitrove:project": "shop", "gitrove:name": "one", "gitrove:id": ID}
LIVED = Record(active=True)
CLOUD = CloudState(
    flavors=[Flavor(name="tiny", ram=256), Flavor(name="small", ram=512)],
    volume_types=["standard", "fast"],
    zones=["az1", "az2"],
)


class _Fingerprints:
    def fingerprint(self, instance: str, login: str, source: SecretSource) -> str:
        return f"{login}#{source.rotation}"


def spec(**fields: Any) -> dict[str, Any]:
    """The spec of a small MariaDB, with *fields* set otherwise."""
    small = {"datastore": {"name": "mariadb"}, "flavor": "tiny", "volume": {"size": 2}}
    return small | fields


def found(
    server: dict[str, Any] | None = None, volume: dict[str, Any] | None = None, **metadata: str
) -> Found:
    """A whole instance, its server and volume with the fields given."""
    marks = METADATA | {f"gitrove:{k}": v for k, v in metadata.items()}
    held = {"gitrove:datastore": "mariadb"} | marks
    a_server = {"id": "s", "name": "one", "flavor": "tiny", "zone": "az1", "port": "p"}
    a_volume = {"id": "v", "name": "one", "size": 2, "type": "standard", "server": "s"}
    return Found(
        servers=[Server(**({"metadata": held} | a_server | (server or {})))],
        volumes=[Volume(**({"metadata": held} | a_volume | (volume or {})))],
        ports=[Port(id="p", name="one", address="127.0.0.9", metadata=marks)],
    )


def report(**fields: Any) -> Report:
    """A prepared guest that runs with the memory of the flavor ``tiny``."""
    running: dict[str, Any] = {
        "status": words.RUNNING,
        "prepared": True,
        "configuration": Configuration(memory_mib=256),
    }
    return Report(instance=ID, datastore="mariadb", **(running | fields))


def case(
    wished: dict[str, Any],
    pieces: Found = NOTHING,
    told: Report | None = None,
    record: Record = LIVED,
    values: dict[str, Any] | None = None,
) -> Case:
    """The instance ``shop/one``; *values* are those of its configuration group."""
    documents = [_document("Instance", "one", wished)]
    if values is not None:
        wished["configuration"] = "tuned"
        group = {"datastore": wished["datastore"], "values": values}
        documents.append(_document("ConfigurationGroup", "tuned", group))
    desired = desire("\n---\n".join(map(str, documents)))
    address = Address("shop", "one")
    return Case(
        address=address,
        wanted=desired.instances[address],
        offer=desired.offers[address],
        volumes=desired.volumes[address],
        found=pieces,
        report=told,
        record=record,
        id=ID,
        world=World(
            observed=Observed(cloud=CLOUD),
            fingerprints=_Fingerprints(),
            group_values=desired.parameters,
        ),
    )


def summary(answer: Answer) -> list[str]:
    """Each draft as ``verb item``, each note and obstacle as its kind and text."""
    return [_words(each) for each in answer]


def only(answer: Answer) -> Draft:
    (draft,) = answer
    assert isinstance(draft, Draft)
    return draft


def _words(each: Draft | Note | Obstacle) -> str:
    if isinstance(each, Draft):
        return f"{each.verb} {each.item}"
    return f"{type(each).__name__.lower()}: {each.text}"


def _document(kind: str, name: str, content: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name}
    return {"apiVersion": "gitrove/v1", "kind": kind, "metadata": metadata, "spec": content}
