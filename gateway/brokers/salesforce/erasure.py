"""What of a customer stays in a Salesforce org when the gateway has erased them: the gateway has no right to delete there, so it says what and how.

Sources: Salesforce Help, "Protect Customer Data and Privacy in Service Cloud Messaging" (service.livemessage_privacy), which holds for Bring Your Own Channel, too; Salesforce
Developers, "Conversation Data API". Which deletion takes which other records along isn't published in one place: an administrator checks with the queries.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.brokers.salesforce.queries import quoted
from gateway.config.salesforce import SalesforceChannel, SalesforceOrg


def what_stays(
    name: str, org: SalesforceOrg, there: SalesforceChannel, customer: str, conversations: Sequence[str] = ()
) -> list[str]:
    """Sentences for an operator. `name`: the org's in the config; `customer`: the address by which Salesforce knows them, as the channel has it;
    `conversations`: identifiers that Salesforce gave, as far as they are known here."""
    user = f"MessagingPlatformKey = {quoted(customer)} AND MessagingChannel.ChannelAddressIdentifier = {quoted(there.address)}"
    known = f" (conversation {', '.join(conversations)})" if conversations else ""
    return [
        f"Salesforce org {name!r} ({org.org_id}, {org.instance_url}) still has this customer's data of the channel {there.address}{known}; the gateway may not delete it:",
        f"- the MessagingEndUser: find it with the condition {user}; contacts, leads and accounts that it is linked to are records of their own",
        "- its MessagingSession records (MessagingEndUserId), and their ConversationEntry records: the transcript, with what reps and supervisors wrote",
        "- files that were sent: ContentDocument records linked to the sessions",
        "- the event log of the org, for up to 72 hours: it can't be deleted, and is not kept longer",
        "An administrator deletes them by the Conversation Data API, which takes end users with their sessions and entries, or record by record; sandboxes made since then have copies.",
    ]
