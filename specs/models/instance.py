"""Kind Instance: one database server with its volume, databases and users."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Literal

from pydantic import Field, field_validator, model_validator

from specs.models.document import Document, Model, Name
from specs.models.reconciling import InstanceReconciling
from specs.models.secret import SecretRef


class DatastoreRef(Model):
    """Which database software, and which version of it."""

    name: Name
    version: str | None = Field(
        default=None,
        description=(
            "Another one upgrades what exists. Default: the datastore's default version for what "
            "is new; what exists keeps its own."
        ),
    )


class Volume(Model):
    """The data volume. A larger size extends it; it never shrinks."""

    size: int = Field(ge=1, le=65536, description="GiB.")
    type: str | None = Field(default=None, description="Default: the cloud's default type.")


class Database(Model):
    """A database on the server."""

    name: str
    character_set: str | None = None
    collation: str | None = None


class Grant(Model):
    """What a user may do on one database, or everywhere (``*``)."""

    database: str = "*"
    privileges: list[str] = Field(default_factory=lambda: ["ALL"], min_length=1)


class User(Model):
    """A login. ``formerName`` renames one that exists."""

    name: str
    host: str | None = Field(
        default=None, description="Where it may connect from; default anywhere."
    )
    former_name: str | None = None
    password: SecretRef = SecretRef()
    grants: list[Grant] = Field(default_factory=list)


class Access(Model):
    """Who reaches it over the network, and where; on clouds that filter what arrives at a port."""

    allowed_cidrs: list[str] | None = Field(
        default=None,
        description=(
            "Networks that may connect to the database, such as 10.0.0.0/8: a security group of "
            "its own. Default: as the cloud's own groups say."
        ),
    )
    address: str | None = Field(
        default=None, description="Its fixed address; default: one that the network gives."
    )
    floating_network: str | None = Field(
        default=None,
        description="An external network, by name: it gets a floating address of that one, too.",
    )

    @field_validator("allowed_cidrs")
    @classmethod
    def _networks(cls, cidrs: list[str] | None) -> list[str] | None:
        for each in cidrs or ():
            try:
                ip_network(each)
            except ValueError as error:
                raise ValueError(f'"{each}" is not a network such as 10.0.0.0/8: {error}') from None
        return cidrs

    @field_validator("address")
    @classmethod
    def _an_address(cls, address: str | None) -> str | None:
        try:
            return str(ip_address(address)) if address is not None else None
        except ValueError:
            raise ValueError(f'"{address}" is not an IP address') from None


class Placement(Model):
    """Which instances of the project are near, or far from, each other; fixed at creation."""

    group: Name = Field(description="Instances that name the same group belong together.")
    policy: Literal["affinity", "anti-affinity"] = Field(
        default="anti-affinity", description="All on one host, or each on a host of its own."
    )


class GuestKey(Model):
    """The key that seals messages between gitrove and the guest."""

    rotation: int = Field(default=1, ge=1, description="Another number makes a new key.")


class Root(Model):
    """The server's administrator login for users; off by default."""

    enabled: bool = False
    password: SecretRef = SecretRef()


class RestoreFrom(Model):
    """The backup that a new instance is made from; an instance that exists is left as it is."""

    backup: Name | None = Field(default=None, description="A backup of this project, by name.")
    instance: Name | None = Field(
        default=None, description="The newest backup of the instance of this name."
    )
    schedule: Name | None = Field(
        default=None, description="With instance: the newest that this schedule took of it."
    )
    point_in_time: str | None = Field(
        default=None,
        description="With instance: as it was at this time, such as 2026-11-23T12:00:00Z.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> RestoreFrom:
        if (self.backup is None) == (self.instance is None):
            raise ValueError("give one of backup and instance")
        if self.schedule is not None and (self.instance is None or self.point_in_time):
            raise ValueError("schedule goes with instance, and not with pointInTime")
        if self.point_in_time is not None and self.instance is None:
            raise ValueError("pointInTime needs the instance whose archive is replayed")
        return self

    @field_validator("point_in_time")
    @classmethod
    def _with_a_zone(cls, text: str | None) -> str | None:
        if text is not None and datetime.fromisoformat(text).tzinfo is None:
            raise ValueError("the time needs a zone, such as Z or +02:00")
        return text

    @property
    def until(self) -> float:
        """The point in time in seconds since the epoch; 0 without one."""
        return datetime.fromisoformat(self.point_in_time).timestamp() if self.point_in_time else 0.0


class Lifecycle(Model):
    """What may and may not happen to the resource as a whole."""

    prevent_destroy: bool = Field(
        default=False, description="Refuse every plan that would delete or replace it."
    )
    allow_replace: bool = Field(
        default=False, description="Allow changes that only a new, empty instance can make."
    )
    on_delete: Literal["delete", "finalBackup"] = Field(
        default="delete",
        description="Whether a last backup is taken before everything is deleted.",
    )
    create_empty: bool = Field(
        default=False, description="Make it anew, empty, if it existed and is missing."
    )


class InstanceSpec(Model):
    """The wished state of one instance."""

    datastore: DatastoreRef
    flavor: str
    volume: Volume | None = Field(default=None, description="Or volumeLayout.")
    volume_layout: Name | None = Field(
        default=None, description="A VolumeLayout's name, for several volumes."
    )
    region: str | None = Field(
        default=None, description="One of the cloud's regions; default: its first."
    )
    availability_zone: str | None = None
    placement: Placement | None = None
    configuration: Name | None = Field(default=None, description="A ConfigurationGroup's name.")
    restart_policy: Literal["automatic", "manual"] = Field(
        default="automatic",
        description="Whether a change that waits for a restart restarts the server.",
    )
    restore_from: RestoreFrom | None = None
    point_in_time_recovery: bool = Field(
        default=False, description="Archive its log continuously, to restore it to any time."
    )
    databases: list[Database] = Field(default_factory=list)
    users: list[User] = Field(default_factory=list)
    root: Root = Root()
    access: Access = Access()
    guest_key: GuestKey = GuestKey()
    lifecycle: Lifecycle = Lifecycle()
    reconcile: InstanceReconciling = InstanceReconciling()

    @model_validator(mode="after")
    def _volume_or_layout(self) -> InstanceSpec:
        if (self.volume is None) == (self.volume_layout is None):
            raise ValueError("give one of volume and volumeLayout")
        return self


class Instance(Document):
    """One database server."""

    kind: Literal["Instance"]
    spec: InstanceSpec
