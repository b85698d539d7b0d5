"""A plan as the files of an sf (Salesforce DX) project in source format, to be deployed with `sf project deploy start`.

Directories, suffixes and elements are those of the Metadata API's reference and of public projects. Inferred, because no public sample has them: the elements of
ConversationChannelDefinition for conferences, receipts, typing and RoutingWorkResult, and the scope's name `InteractionApi`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias
from xml.sax.saxutils import escape

from gateway.brokers.salesforce.setting_up.plan import Definition, Event, Plan, Vendor, full_name
from gateway.brokers.salesforce.setting_up.read_me import read_me

_NAMESPACE: Final = "http://soap.sforce.com/2006/04/metadata"
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SOURCE: Final = "force-app/main/default"
SCOPES: Final = "Api, InteractionApi, RefreshToken"
"""`Api`: the Pub/Sub API and the checks; `InteractionApi`: the Interaction Service; without `RefreshToken` the JWT flow refuses users who are approved in advance."""
_CALLBACK: Final = "https://login.salesforce.com/services/oauth2/success"  # required, and never called by the JWT flow

Elements: TypeAlias = Mapping[str, "str | int | bool | Elements | Sequence[Elements]"]


def files(plan: Plan, certificate: bytes | None) -> dict[str, str]:
    """Path in the project: content. `certificate`: PEM; None: it is uploaded by hand."""
    made = {"sfdx-project.json": _project(plan), "README.md": read_me(plan, certificate is not None)}
    made["manifest/package.xml"] = _manifest(plan)
    if plan.event.namespace is None:
        made |= _event(plan.event)
    made |= {
        _path("ConversationVendorInformation", one.name, "ConversationVendorInformation"): vendor(one) for one in plan.vendors
    }
    made |= {
        _path("conversationChannelDefinitions", one.name, "ConversationChannelDefinition"): definition(one)
        for one in plan.definitions
    }
    made |= _app(plan, certificate)
    made[_path("permissionsets", plan.permission_set, "permissionset")] = _permission_set(plan)
    return made


def _path(directory: str, name: str, suffix: str) -> str:
    return f"{_SOURCE}/{directory}/{name}.{suffix}-meta.xml"


def _project(plan: Plan) -> str:
    project = {
        "packageDirectories": [{"path": "force-app", "default": True}],
        "name": plan.app,
        "namespace": "",
        "sourceApiVersion": plan.api_version,
    }
    return json.dumps(project, indent=2) + "\n"


def xml(root: str, elements: Elements) -> str:
    """A metadata file. The elements of a type are in the order of the alphabet, as the Metadata API wants them."""
    return "\n".join((f'{_HEAD}<{root} xmlns="{_NAMESPACE}">', *_lines(elements, "    "), f"</{root}>", ""))


def _lines(elements: Elements, indent: str) -> Iterable[str]:
    for name, value in elements.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, Mapping):
                yield f"{indent}<{name}>"
                yield from _lines(one, indent + "    ")
                yield f"{indent}</{name}>"
            else:
                yield f"{indent}<{name}>{escape(str(one).lower() if isinstance(one, bool) else str(one))}</{name}>"


# -------------------------------------------------------------------------------------------------------------- the event


def event_metadata(event: Event) -> dict[str, str]:
    """Of the CustomObject. The messaging runtime publishes outside of a transaction, so nothing is gained by waiting for one."""
    label = event.name.removesuffix("__e").replace("_", " ")
    return {
        "deploymentStatus": "Deployed",
        "eventType": "HighVolume",
        "label": label,
        "pluralLabel": f"{label} events",
        "publishBehavior": "PublishImmediately",
    }


def field_metadata(event: Event) -> dict[str, dict[str, str | int]]:
    """Of its two CustomFields, by name. The payload is JSON; an event holds 1 MB at most, a long text area 131,072 characters."""
    return {
        event.type_field: {"label": _label(event.type_field), "length": 255, "type": "Text"},
        event.payload_field: {"label": _label(event.payload_field), "length": 131_072, "type": "LongTextArea", "visibleLines": 3},
    }


def _label(field: str) -> str:
    return field.removesuffix("__c").replace("_", " ")


def _event(event: Event) -> dict[str, str]:
    folder = f"{_SOURCE}/objects/{event.name}"
    made = {f"{folder}/{event.name}.object-meta.xml": xml("CustomObject", event_metadata(event))}
    for name, metadata in field_metadata(event).items():
        made[f"{folder}/fields/{name}.field-meta.xml"] = xml("CustomField", {"fullName": name, **metadata})
    return made


# ----------------------------------------------------------------------------------------------------- vendor, definitions


def vendor_metadata(one: Vendor) -> dict[str, str]:
    """Of the ConversationVendorInfo."""
    connector = {"connectorUrl": one.connector} if one.connector else {}
    return {**connector, "developerName": one.name, "masterLabel": one.label, "vendorType": one.vendor_type}


def vendor(one: Vendor) -> str:
    """Its file."""
    return xml("ConversationVendorInfo", vendor_metadata(one))


def definition(one: Definition) -> str:
    """The file of a ConversationChannelDefinition."""
    return xml("ConversationChannelDefinition", one.fields)


# ------------------------------------------------------------------------------------------------------------------ access


def _app(plan: Plan, certificate: bytes | None) -> dict[str, str]:
    """An external client app that signs in by JWT, and lets in only who has the permission set."""
    name, label = plan.app, plan.app.replace("_", " ")
    oauth: Elements = {
        "callbackUrl": _CALLBACK,
        **({"certificate": _body(certificate)} if certificate else {}),
        "externalClientApplication": name,
        "isConsumerSecretOptional": True,
        "isIntrospectAllTokens": False,
        "isPkceRequired": True,
        "isSecretRequiredForRefreshToken": False,
        "label": f"{label} keys",
        "shouldRotateConsumerKey": False,
        "shouldRotateConsumerSecret": False,
    }
    application: Elements = {
        "contactEmail": plan.username,
        "description": "Messaging channels of the BYOC gateway",
        "distributionState": "Local",
        "isProtected": False,
        "label": label,
    }
    settings = {"commaSeparatedOauthScopes": SCOPES, "externalClientApplication": name, "label": f"{label} OAuth"}
    policies = {
        "commaSeparatedPermissionSet": plan.permission_set,
        "externalClientApplication": name,
        "ipRelaxationPolicyType": "Enforce",
        "label": f"{label} policies",
        "permittedUsersPolicyType": "AdminApprovedPreAuthorized",
        "refreshTokenPolicyType": "Zero",
    }
    return {
        _path("externalClientApps", name, "eca"): xml("ExternalClientApplication", application),
        _path("extlClntAppGlobalOauthSets", f"{name}_glbloauth", "ecaGlblOauth"): xml("ExtlClntAppGlobalOauthSettings", oauth),
        _path("extlClntAppOauthSettings", f"{name}_oauth", "ecaOauth"): xml("ExtlClntAppOauthSettings", settings),
        _path("extlClntAppOauthPolicies", f"{name}_oauthPlcy", "ecaOauthPlcy"): xml(
            "ExtlClntAppOauthConfigurablePolicies", policies
        ),
    }


def _body(certificate: bytes) -> str:
    return "".join(line for line in certificate.decode().splitlines() if not line.startswith("-----"))


def _permission_set(plan: Plan) -> str:
    """The gateway only reads events; the messaging runtime publishes them."""
    elements: Elements = {
        "description": "For the user of the BYOC gateway: reads the events of its channels, and nothing else",
        "hasActivationRequired": False,
        "label": plan.permission_set.replace("_", " "),
        "objectPermissions": {
            "allowCreate": False,
            "allowDelete": False,
            "allowEdit": False,
            "allowRead": True,
            "modifyAllRecords": False,
            "object": full_name(plan.event, plan.event.name),
            "viewAllRecords": False,
        },
        "userPermissions": {"enabled": True, "name": "ApiEnabled"},
    }
    return xml("PermissionSet", elements)


def _manifest(plan: Plan) -> str:
    types = {
        "ConversationChannelDefinition": [one.name for one in plan.definitions],
        "ConversationVendorInfo": [one.name for one in plan.vendors],
        "CustomObject": [] if plan.event.namespace else [plan.event.name],
        "ExternalClientApplication": [plan.app],
        "ExtlClntAppGlobalOauthSettings": [f"{plan.app}_glbloauth"],
        "ExtlClntAppOauthConfigurablePolicies": [f"{plan.app}_oauthPlcy"],
        "ExtlClntAppOauthSettings": [f"{plan.app}_oauth"],
        "PermissionSet": [plan.permission_set],
    }
    elements: Elements = {
        "types": [{"members": members, "name": name} for name, members in types.items() if members],  # type: ignore[dict-item]
        "version": plan.api_version,
    }
    return xml("Package", elements)
