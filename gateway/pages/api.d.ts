// Written by `python -m tests.scripts.api_types` from the API's description; not by hand, and not served.

declare namespace V1 {
  type Access = "full" | "preview" | "past" | "none";
  type Actor = {
    role: Role;
    id: string;
    name: string;
  };
  type Allowed = {
    allowed: boolean;
    code: string | null;
    reason: string | null;
  };
  type Audit = {
    at: string;
    login: string | null;
    name: string | null;
    command: string;
    outcome: string;
    details: { [key: string]: any };
  };
  type CallPart = {
    type: "call";
    outcome: "missed";
  };
  type Can = {
    invite: Allowed;
    transfer: Allowed;
  };
  type ChoicePart = {
    type: "choice";
    id?: string | null;
    title: string;
    description?: string | null;
    fields?: { [key: string]: any };
  };
  type Contact = {
    id: string;
    type: "Agent" | "Queue" | "Flow";
    name: string;
    listType: "Transfer" | "Conference" | "All";
    availability: "AVAILABLE" | "BUSY" | "OFFLINE" | null;
    recordId: string;
    description: string;
    queueWaitTime: string | null;
  };
  type ContactPart = {
    type: "contact";
    name: string;
    phones?: Array<string>;
    emails?: Array<string>;
    organisation?: string | null;
    addresses?: Array<string>;
    urls?: Array<string>;
  };
  type Contacts = {
    contacts: Array<Contact>;
    contactTypes: Array<"Agent" | "Queue" | "Flow">;
  };
  type ContactsBody = {
    work_item_id: string;
    contains?: string;
    types?: Array<"AGENT" | "QUEUE" | "FLOW" | "CONTACT" | "DIRECTORY" | "AVAILABLE">;
    offset?: number;
    limit?: number;
  };
  type Delivery = {
    outbox_id: string;
    status: string;
    code: string | null;
    reason: string | null;
    at: string;
  };
  type Destination = {
    type: RecipientType;
    id: string;
    name: string;
    load: number | null;
    capacity: number | null;
    available: number | null;
    bot: boolean;
    allowed: boolean;
    code: string | null;
    reason: string | null;
  };
  type EndUser = {
    id: string;
    name: string;
  };
  type Entry = {
    number: number;
    kind: EntryKind;
    visibility: Visibility;
    at: string;
    from: Actor | null;
    text: string | null;
    parts: Array<TextPart | Media | LocationPart | ContactPart | ChoicePart | Sticker | ProductPart | OrderPart | CallPart | UnknownPart>;
    referral: Referral | null;
    details: { [key: string]: any };
    delivery: Array<Delivery>;
    edited: boolean;
    deleted: boolean;
  };
  type EntryKind = "message" | "participant_joined" | "participant_left" | "invited" | "invitation_expired" | "invitation_withdrawn" | "transferred" | "notice" | "flag_raised" | "flag_lowered" | "whisper" | "status_changed" | "message_edited" | "message_deleted" | "reaction" | "referral" | "handover";
  type Event = {
    type: string;
    id: number | null;
    session_id: string | null;
    at: string;
    data: { [key: string]: any };
  };
  type Flag = {
    raised_by: string;
    raised_by_name: string;
    text: string;
    raised_at: string;
  };
  type FlagBody = {
    text: string;
  };
  type HelloFrame = {
    type: "hello";
    token: string;
    after?: number | null;
  };
  type Invitation = {
    id: string;
    purpose: Purpose;
    recipient: Recipient;
    from: string;
    from_name: string;
    status: InvitationStatus;
    created_at: string;
    expires_at: string;
    asked: Array<string>;
    declined: Array<string>;
    note: string | null;
    warning: string | null;
  };
  type InvitationBody = {
    recipient: RecipientBody;
    note?: string | null;
  };
  type InvitationStatus = "open" | "accepted" | "declined" | "expired" | "withdrawn";
  type Joined = {
    id: string;
    purpose: Purpose;
    recipient: Recipient;
    from: string;
    from_name: string;
    status: InvitationStatus;
    created_at: string;
    expires_at: string;
    asked: Array<string>;
    declined: Array<string>;
    note: string | null;
    warning: string | null;
    session: Session;
  };
  type ListOfAudit = {
    items: Array<Audit>;
    next: string | null;
    remaining: number | null;
  };
  type ListOfDestination = {
    items: Array<Destination>;
    next: string | null;
    remaining: number | null;
  };
  type ListOfEntry = {
    items: Array<Entry>;
    next: string | null;
    remaining: number | null;
  };
  type ListOfSession = {
    items: Array<Session>;
    next: string | null;
    remaining: number | null;
  };
  type LocationPart = {
    type: "location";
    latitude: number;
    longitude: number;
    name?: string | null;
    address?: string | null;
  };
  type Me = {
    login: string;
    name: string;
    org: string;
    supervisor: boolean;
    kind: "human" | "bot";
    avatar_url: string | null;
    permissions: Array<string>;
    licences: Array<string>;
    capacity: number;
    presence: Presence;
  };
  type Media = {
    type: "media";
    media: "image" | "video" | "audio" | "voice" | "file";
    state: MediaState;
    media_id: string | null;
    url: string | null;
    mime_type: string | null;
    name: string | null;
    size_bytes: number | null;
    duration_ms: number | null;
    caption: string | null;
    reason: string | null;
  };
  type MediaState = "pending" | "ready" | "failed";
  type MessageBody = {
    text: string;
    reply_to?: number | null;
  };
  type Offer = {
    rep: string;
    rep_name: string;
    queue: string | null;
    queue_name: string | null;
    offered_at: string;
    expires_at: string;
  };
  type OrderItem = {
    title?: string | null;
    retailer_id?: string | null;
    product_id?: string | null;
    quantity?: string | null;
    price?: string | null;
    currency?: string | null;
  };
  type OrderPart = {
    type: "order";
    items?: Array<OrderItem>;
    note?: string | null;
    catalog_id?: string | null;
  };
  type Participant = {
    role: Role;
    id: string;
    name: string;
    joined_at: string;
  };
  type Presence = {
    status: PresenceStatus;
    idle_since: string | null;
    connected: boolean;
  };
  type PresenceBody = {
    status: PresenceStatus;
  };
  type PresenceStatus = "online" | "online_voice" | "busy" | "away" | "offline";
  type Problem = {
    type: string;
    title: string;
    status: number;
    code: "permission_denied" | "not_a_supervisor" | "session_not_found" | "invitation_not_found" | "entry_not_found" | "message_not_found" | "recipient_not_found" | "conferencing_controlled_by_salesforce" | "conferencing_not_supported" | "direct_routing_disabled" | "recipient_not_available" | "recipient_at_capacity" | "participant_limit_reached" | "invitation_already_taken" | "invitation_closed" | "invitation_pending" | "already_participant" | "not_a_participant" | "session_not_active" | "flow_yielded_no_recipient" | "last_rep_must_end" | "other_reps_present" | "work_not_offered" | "flag_already_raised" | "no_flag" | "not_resendable" | "invalid_input" | "nothing_to_say" | "recipient_type_not_allowed" | "idempotency_key_reused" | "malformed_request" | "unauthenticated" | "origin_not_allowed" | "not_found" | "method_not_allowed" | "request_too_slow" | "too_large" | "unsupported_media_type" | "upgrade_required" | "rate_limited" | "internal_error" | "unavailable" | "not_ready";
    detail: string;
    errors?: Array<{
      pointer: string;
      in: "body" | "form" | "query" | "header";
      detail: string;
    }>;
    details?: { [key: string]: any };
  };
  type ProductPart = {
    type: "product";
    title?: string | null;
    price?: string | null;
    retailer_id?: string | null;
    product_id?: string | null;
    catalog_id?: string | null;
  };
  type Purpose = "invite" | "transfer";
  type Recipient = {
    type: RecipientType;
    id: string;
    name: string;
  };
  type RecipientBody = {
    type: "agent" | "queue" | "flow";
    id: string;
  };
  type RecipientType = "agent" | "queue" | "flow" | "others";
  type Referral = {
    source: "ad" | "post" | "link" | "product" | "story" | "optin" | "page" | "other";
    id?: string | null;
    ref?: string | null;
    group?: string | null;
    headline?: string | null;
    body?: string | null;
    url?: string | null;
    media_url?: string | null;
    product?: ReferredProduct | null;
    click_id?: string | null;
    extra?: { [key: string]: any };
  };
  type ReferredProduct = {
    id?: string | null;
    catalog_id?: string | null;
  };
  type Role = "end_user" | "rep" | "supervisor" | "bot" | "system";
  type Session = {
    id: string;
    access: Access;
    can: Can;
    channel_id: string;
    channel_type: string;
    channel_title: string;
    status: SessionStatus;
    end_user: EndUser;
    participants: Array<Participant>;
    invitations: Array<Invitation>;
    flag: Flag | null;
    flags: Array<Flag>;
    offer: Offer | null;
    queue: string | null;
    queue_name: string | null;
    locale: string;
    conferenced: boolean;
    entry_count: number;
    version: number;
    opened_at: string;
    last_message_at: string | null;
    last_inbound_at: string | null;
  };
  type SessionStatus = "waiting" | "active" | "inactive" | "ended";
  type Sticker = {
    type: "sticker";
    text: string | null;
    media: Media | null;
  };
  type TextPart = {
    type: "text";
    text: string;
  };
  type TypingBody = {
    on: boolean;
  };
  type UnknownPart = {
    type: "unknown";
    provider_type: string;
    fallback: string;
  };
  type Visibility = "everyone" | "reps" | "supervisors";
  type WhisperBody = {
    to?: string | null;
    text: string;
  };
  type WorkBody = {
    work_item_id: string;
    work_id: string;
    work_event: "ASSIGNED" | "ACCEPTED" | "DECLINED" | "COMPLETED" | "CLOSED" | "PAUSED" | "UNPAUSED";
  };
}
