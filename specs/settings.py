"""``gitrove.yaml`` at the root of a repository: clouds, journal, policy, defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from specs.models.document import Model, Name
from specs.models.reconciling import Reconciling

FILE_NAME = "gitrove.yaml"


class FlavorSettings(Model):
    """A size of the local or simulated cloud."""

    vcpus: int = Field(default=1, ge=1)
    ram: int = Field(ge=64, description="MiB.")


class ZoneSettings(Model):
    """An availability zone of the local cloud, and the hosts in it by name."""

    hosts: list[Name] = Field(min_length=1)


def _flavors() -> dict[str, FlavorSettings]:
    sizes = {"tiny": 256, "small": 512, "medium": 1024, "large": 2048}
    return {name: FlavorSettings(vcpus=1, ram=ram) for name, ram in sizes.items()}


def _zones() -> dict[str, ZoneSettings]:
    return {"az1": ZoneSettings(hosts=["host1", "host2"]), "az2": ZoneSettings(hosts=["host3"])}


class CloudSettings(Model):
    """One cloud. What says so below belongs to the local cloud, or to an OpenStack."""

    driver: Literal["local", "simulated", "openstack"]
    cloud: str | None = Field(
        default=None, description="OpenStack: its name in clouds.yaml; default: the name here."
    )
    region: str | None = Field(default=None, description="OpenStack: default as in clouds.yaml.")
    regions: list[str] = Field(
        default_factory=list,
        description="OpenStack: several, the first of which is that of what names none.",
    )
    security_groups: list[str] = Field(
        default_factory=list, description="OpenStack: of every port, by name; default: Neutron's."
    )
    state: str | None = Field(
        default=None,
        description="Local: folder for servers and volumes; relative to the repository.",
    )
    network: str | None = Field(
        default=None,
        description="OpenStack: the network, by name. Local: addresses, inside 127.0.0.0/8.",
    )
    flavors: dict[str, FlavorSettings] = Field(default_factory=_flavors)
    images: dict[str, list[str]] = Field(
        default_factory=dict,
        description=(
            "Local: folders with programs, by the name of an image; a server from it looks there "
            "before PATH. Default: every image has this machine's programs."
        ),
    )
    volume_types: list[str] = Field(default_factory=lambda: ["standard", "fast"], min_length=1)
    zones: dict[str, ZoneSettings] = Field(default_factory=_zones, min_length=1)

    @model_validator(mode="after")
    def _one_or_several(self) -> CloudSettings:
        if self.region and self.regions:
            raise ValueError("give region or regions, not both")
        return self


class StorageSettings(Model):
    """One place for backups."""

    driver: Literal["directory", "swift"] | None = Field(
        default=None, description="Default: swift on an OpenStack, else directory."
    )
    path: str | None = Field(
        default=None,
        description="Directory: a folder, relative to the repository; default: gitrove's own.",
    )
    container: str = Field(default="gitrove-backups", description="Swift: the container's name.")
    cloud: str | None = Field(
        default=None, description="Swift: its name in clouds.yaml; default: that of the instances."
    )
    region: str | None = Field(default=None, description="Swift: default as in clouds.yaml.")


class BackupSettings(StorageSettings):
    """Where backups are stored unless they name one of the other ``storages``."""

    storages: dict[Name, StorageSettings] = Field(
        default_factory=dict, description="Further places, by a name of yours."
    )
    per_host: int = Field(
        default=2, ge=1, description="Scheduled backups at the same time on one host."
    )


class NotificationSettings(Model):
    """One receiver of notifications: CloudEvents to a file or an HTTP address, or a message bus."""

    driver: Literal["file", "webhook", "messaging"]
    path: str | None = Field(
        default=None, description="File: where it is, relative to the repository."
    )
    url: str | None = Field(default=None, description="Webhook: the address, without a secret.")
    token_from_env: str | None = Field(
        default=None, description="Webhook: the variable with the bearer token."
    )
    url_from_env: str | None = Field(
        default=None,
        description="Messaging: the variable with oslo.messaging's address of the bus.",
    )
    topic: str = Field(default="notifications", description="Messaging: the queues' first word.")

    @model_validator(mode="after")
    def _complete(self) -> NotificationSettings:
        needed = {"file": "path", "webhook": "url", "messaging": "url_from_env"}[self.driver]
        if not getattr(self, needed):
            raise ValueError(f"the driver {self.driver} needs {to_camel(needed)}")
        return self


class JournalSettings(Model):
    """Where runs, faults and history are kept."""

    url: str | None = Field(default=None, description="A SQLAlchemy URL; default: SQLite.")


class ActorSettings(Model):
    """What one person may do: roles, and the projects they hold them in (``*`` is every one)."""

    roles: list[str] = Field(default_factory=lambda: ["member"])
    projects: list[str] = Field(default_factory=lambda: ["*"])
    identities: list[str] = Field(
        default_factory=list,
        description="How signatures name them: an SSH principal, a GPG key's fingerprint.",
    )


class ApprovalSettings(Model):
    """Which changes a second person must agree to, plan by plan: gitrove approve."""

    impact: Literal["restart", "failover", "downtime", "data loss"] = Field(
        description="What costs this, or more."
    )
    approvers: int = Field(default=1, ge=1, description="With the role approver, or admin.")
    projects: list[str] = Field(default_factory=lambda: ["*"])

    def covers(self, project: str) -> bool:
        return "*" in self.projects or project in self.projects


class PolicySettings(Model):
    """Rules and guardrails."""

    require_signatures: bool = Field(
        default=False,
        description="The daemon takes only commits that are signed by one of the actors.",
    )
    allowed_signers: str = Field(
        default="", description="SSH keys, as in allowed_signers of ssh-keygen(1): a file here."
    )
    keys: str = Field(default="", description="GPG public keys: a file here.")
    approvals: list[ApprovalSettings] = Field(default_factory=list)

    rules: str | None = Field(default=None, description="An oslo.policy file.")
    actors: dict[str, ActorSettings] = Field(
        default_factory=dict, description="By user name; empty: whoever runs gitrove is admin."
    )
    max_destroy_share: float = Field(
        default=0.5, ge=0, le=1, description="Share of a project that one plan may destroy."
    )


class Defaults(Model):
    """What documents may leave out."""

    project: Name = "default"
    cloud: Name | None = Field(default=None, description="Default: the only cloud.")


class Settings(Model):
    """The whole file."""

    api_version: Literal["gitrove/v1"]
    kind: Literal["Settings"]
    paths: list[str] = Field(
        default_factory=lambda: ["."], description="Folders that hold specs, from the root."
    )
    repository: str = Field(
        default="",
        description=(
            "The name that marks what this repository makes; what carries another is left alone. "
            "gitrove init writes one."
        ),
    )
    clouds: dict[Name, CloudSettings] = Field(min_length=1)
    journal: JournalSettings = Field(default_factory=JournalSettings)
    backups: BackupSettings = Field(default_factory=BackupSettings)
    notifications: dict[Name, NotificationSettings] = Field(
        default_factory=dict, description="Receivers by a name of yours."
    )
    reconcile: Reconciling = Field(default_factory=Reconciling)
    policy: PolicySettings = Field(default_factory=PolicySettings)
    defaults: Defaults = Field(default_factory=Defaults)
    concurrency: int = Field(default=8, ge=1, le=256, description="Actions at the same time.")

    def cloud_name(self) -> str:
        """The cloud to use. Raises ValueError."""
        if self.defaults.cloud:
            if self.defaults.cloud not in self.clouds:
                raise ValueError(f'defaults.cloud "{self.defaults.cloud}" is not under clouds')
            return self.defaults.cloud
        if len(self.clouds) > 1:
            raise ValueError("there are several clouds; name one under defaults.cloud")
        return next(iter(self.clouds))
