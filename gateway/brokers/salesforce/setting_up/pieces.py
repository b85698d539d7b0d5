"""The pieces of a plan as an org has them: whether each is there, and the call that creates it.

Sources: Salesforce's Tooling API (`FullName` and `Metadata`) and object references. That the Tooling API creates a CustomObject for a platform event is seen in public
code, not in the reference: where an org refuses it, deploy the project.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from gateway.brokers.salesforce import queries
from gateway.brokers.salesforce.inspecting import Inspector, Unseen
from gateway.brokers.salesforce.setting_up.plan import Definition, Event, Plan, Vendor, asked_of, column, full_name, same
from gateway.brokers.salesforce.setting_up.project import event_metadata, field_metadata, vendor_metadata

State: TypeAlias = Literal["same", "missing", "differs", "not seen"]
_TYPES = {"Text": "string", "LongTextArea": "textarea"}


@dataclass(frozen=True, slots=True)
class Found:
    """`detail`: what differs (planned and found), or why it can't be seen."""

    state: State
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Creation:
    """`POST /services/data/vNN.0/{path}` with this JSON."""

    path: str
    body: Mapping[str, Any]


class Piece(Protocol):
    """One record. `label` names it for people."""

    @property
    def label(self) -> str:
        """Such as `ConversationVendorInfo Byoc_Messaging`."""
        ...

    async def found(self, inspector: Inspector) -> Found:
        """As the org has it. Raises Unseen, OrgUnavailable."""
        ...

    async def creation(self, inspector: Inspector) -> Creation:
        """The call that creates it. Raises Unseen when something that it hangs on can't be seen."""
        ...


async def look(piece: Piece, inspector: Inspector) -> Found:
    """`Piece.found`, with what can't be seen as a state."""
    try:
        return await piece.found(inspector)
    except Unseen as unseen:
        return Found("not seen", str(unseen))


def pieces_of(plan: Plan) -> list[Piece]:
    """In the order in which they need each other. An event of a package comes with the package."""
    event = plan.event
    made: list[Piece] = []
    if event.namespace is None:
        made += [TheEvent(event), *(TheField(event, name) for name in (event.type_field, event.payload_field))]
    made += [TheVendor(one) for one in plan.vendors]
    made += [TheDefinition(one) for one in plan.definitions]
    sobject = full_name(event, event.name)
    made += [ThePermissionSet(plan.permission_set), ThePermissions(plan.permission_set, sobject, create=False)]
    made.append(ThePermissions(queries.INTEGRATION_PERMISSION_SET, sobject, create=True))
    made += [TheCustomChannel(key, there.address, there.definition) for key, there in plan.channels]
    return made


# -------------------------------------------------------------------------------------------------------------- the event


@dataclass(frozen=True, slots=True)
class TheEvent:
    """The platform event."""

    event: Event

    @property
    def label(self) -> str:
        """See `Piece`."""
        return f"platform event {self.event.name}"

    async def found(self, inspector: Inspector) -> Found:
        """See `Piece`."""
        return Found("missing" if await inspector.fields_of(self.event.name) is None else "same")

    async def creation(self, inspector: Inspector) -> Creation:
        """See `Piece`."""
        return _tooling("CustomObject", self.event.name, event_metadata(self.event))


@dataclass(frozen=True, slots=True)
class TheField:
    """One of its fields."""

    event: Event
    name: str

    @property
    def label(self) -> str:
        """See `Piece`."""
        return f"field {self.event.name}.{self.name}"

    async def found(self, inspector: Inspector) -> Found:
        """See `Piece`."""
        fields = await inspector.fields_of(self.event.name)
        if fields is None or self.name not in fields:
            return Found("missing")
        wanted = _TYPES[str(field_metadata(self.event)[self.name]["type"])]
        there = fields[self.name]
        # A payload field of the short kind cuts nothing: events that don't fit are not published.
        return Found("same") if there in (wanted, "textarea") else Found("differs", f"type: planned {wanted}, found {there}")

    async def creation(self, inspector: Inspector) -> Creation:
        """See `Piece`."""
        return _tooling("CustomField", f"{self.event.name}.{self.name}", field_metadata(self.event)[self.name])


# ----------------------------------------------------------------------------------------------------- vendor, definitions


@dataclass(frozen=True, slots=True)
class TheVendor:
    """A ConversationVendorInfo."""

    vendor: Vendor

    @property
    def label(self) -> str:
        """See `Piece`."""
        return f"ConversationVendorInfo {self.vendor.name}"

    async def found(self, inspector: Inspector) -> Found:
        """See `Piece`."""
        record = await inspector.one(queries.vendor(self.vendor.name))
        planned = {"vendorType": self.vendor.vendor_type}
        if record is not None and self.vendor.connector:
            record = {**record, **(await inspector.one(queries.connector(self.vendor.name)) or {})}
            planned["connectorUrl"] = self.vendor.connector
        return _compared(planned, record, column)

    async def creation(self, inspector: Inspector) -> Creation:
        """See `Piece`."""
        return _tooling("ConversationVendorInfo", self.vendor.name, vendor_metadata(self.vendor))


@dataclass(frozen=True, slots=True)
class TheDefinition:
    """A ConversationChannelDefinition."""

    definition: Definition

    @property
    def label(self) -> str:
        """See `Piece`."""
        return f"ConversationChannelDefinition {self.definition.name}"

    async def found(self, inspector: Inspector) -> Found:
        """See `Piece`. Fields that can't be read are left out of the comparison."""
        first, *newer = asked_of(self.definition)
        record = await inspector.one(first)
        if record is None:
            return Found("missing")
        seen = dict(record)
        for query in newer:
            try:
                seen |= await inspector.one(query) or {}
            except Unseen:
                continue
        if str(seen.get("ConversationVendorInfo") or "")[:1].isdigit():
            del seen["ConversationVendorInfo"]  # a record id, which no name can be compared with
        planned = {name: value for name, value in self.definition.fields.items() if column(name) in seen}
        return _compared(planned, seen, column)

    async def creation(self, inspector: Inspector) -> Creation:
        """See `Piece`."""
        return _tooling("ConversationChannelDefinition", self.definition.name, self.definition.fields)


@dataclass(frozen=True, slots=True)
class TheCustomChannel:
    """The CustomMsgChannel that ties a messaging channel to its definition. The messaging channel itself is made in Setup."""

    channel: str
    address: str
    definition: str

    @property
    def label(self) -> str:
        """See `Piece`."""
        return f"CustomMsgChannel of {self.channel}"

    async def found(self, inspector: Inspector) -> Found:
        """See `Piece`."""
        record = await inspector.one(queries.custom_channel_id(await self._messaging_channel(inspector)))
        return Found("missing" if record is None else "same")

    async def creation(self, inspector: Inspector) -> Creation:
        """See `Piece`."""
        definition = await inspector.one(queries.definition_id(self.definition))
        if definition is None:
            raise Unseen(f"there is no ConversationChannelDefinition {self.definition}")
        body = {"MessagingChannelId": await self._messaging_channel(inspector), "ChannelDefinitionId": definition.get("Id")}
        return Creation("sobjects/CustomMsgChannel", body)

    async def _messaging_channel(self, inspector: Inspector) -> str:
        found = await inspector.one(queries.messaging_channel(self.address))
        if found is None:
            raise Unseen(f"there is no messaging channel with the address {self.address} yet: create it in Setup")
        return str(found.get("Id"))


def _compared(planned: Mapping[str, Any], record: Mapping[str, Any] | None, column_of: Callable[[str], str]) -> Found:
    if record is None:
        return Found("missing")
    differing = [
        f"{name}: planned {value}, found {record.get(column_of(name))}"
        for name, value in planned.items()
        if not same(value, record.get(column_of(name)))
    ]
    return Found("differs", "; ".join(differing)) if differing else Found("same")


def _tooling(kind: str, name: str, metadata: Mapping[str, Any]) -> Creation:
    return Creation(f"tooling/sobjects/{kind}", {"FullName": name, "Metadata": dict(metadata)})


# ------------------------------------------------------------------------------------------------------------------ access


@dataclass(frozen=True, slots=True)
class ThePermissionSet:
    """The permission set of the gateway's user."""

    name: str

    @property
    def label(self) -> str:
        """See `Piece`."""
        return f"permission set {self.name}"

    async def found(self, inspector: Inspector) -> Found:
        """See `Piece`."""
        return Found("missing" if await inspector.one(queries.permission_set(self.name)) is None else "same")

    async def creation(self, inspector: Inspector) -> Creation:
        """See `Piece`."""
        body = {"Name": self.name, "Label": self.name.replace("_", " "), "PermissionsApiEnabled": True}
        return Creation("sobjects/PermissionSet", body)


@dataclass(frozen=True, slots=True)
class ThePermissions:
    """What a permission set may do with the event: read it, and with `create` also publish it."""

    permission_set: str
    sobject: str
    create: bool

    @property
    def label(self) -> str:
        """See `Piece`."""
        return f"{self.permission_set}: {'Read and Create' if self.create else 'Read'} on {self.sobject}"

    async def found(self, inspector: Inspector) -> Found:
        """See `Piece`."""
        parent = await inspector.one(queries.permission_set(self.permission_set))
        if parent is None:
            return Found("missing", f"there is no permission set {self.permission_set}")
        record = await inspector.one(queries.object_permissions(str(parent.get("Id")), self.sobject))
        if record is None:
            return Found("missing")
        short = [name for name, wanted in self._wanted().items() if wanted and record.get(name) is not True]
        return Found("differs", f"{', '.join(short)}: planned true, found false") if short else Found("same")

    def _wanted(self) -> dict[str, bool]:
        return {"PermissionsRead": True, "PermissionsCreate": self.create}

    async def creation(self, inspector: Inspector) -> Creation:
        """See `Piece`."""
        parent = await inspector.one(queries.permission_set(self.permission_set))
        if parent is None:
            raise Unseen(f"there is no permission set {self.permission_set}")
        return Creation(
            "sobjects/ObjectPermissions", {"ParentId": parent.get("Id"), "SobjectType": self.sobject, **self._wanted()}
        )
