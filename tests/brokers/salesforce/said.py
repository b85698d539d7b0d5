"""Messages of reps as Salesforce publishes them, by format, each with what it says. Written after its published schema."""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.brokers.salesforce.events import Choice, File, Said

MESSAGE_ID = "3f0c8a52-0001-4000-8000-000000000001"


class Case(NamedTuple):
    name: str
    message: dict[str, Any]
    said: Said


def static(**content: Any) -> dict[str, Any]:
    return {"messageType": "StaticContentMessage", "id": MESSAGE_ID, "staticContent": content}


def choices(**content: Any) -> dict[str, Any]:
    return {"messageType": "ChoicesMessage", "id": MESSAGE_ID, "choices": content}


def form(**content: Any) -> dict[str, Any]:
    return {"messageType": "FormMessage", "id": MESSAGE_ID, "form": content}


def title(words: str, subtitle: str | None = None) -> dict[str, Any]:
    return {"itemType": "TitleItem", "title": words, **({"subTitle": subtitle} if subtitle else {})}


def option(identifier: str, words: str, subtitle: str | None = None) -> dict[str, Any]:
    return {"itemType": "TitleOptionItem", "optionIdentifier": identifier, "titleItem": title(words, subtitle)}


def link(words: str, url: str) -> dict[str, Any]:
    return {"itemType": "TitleLinkItem", "titleItem": title(words), "url": url}


def asked(kind: str, words: str, **more: Any) -> dict[str, Any]:
    return {"sectionType": "SingleInputSection", "input": {"inputType": kind, "id": words, "label": title(words), **more}}


FILE_URL = "https://acme.file.force.com/sfc/dist/version/download/?ids=068"
YES, NO = option("o1", "Yes"), option("o2", "No", "not now")
SLOTS = [
    {"itemType": "TimeSlotOptionItem", "optionIdentifier": "t1", "startTime": "2026-03-02T14:30:00Z", "duration": 3600},
    {"itemType": "TimeSlotOptionItem", "optionIdentifier": "t2", "startTime": "2026-03-03T09:00:00Z", "duration": 1800},
]

CASES = [
    Case("text", static(formatType="Text", text="Hello *Kim*"), Said(text="Hello *Kim*")),
    Case(
        "reply",
        {**static(formatType="Text", text="Yes"), "inReplyToMessageId": "m0"},
        Said(text="Yes", reply_to="m0"),
    ),
    Case(
        "cited sources",
        static(
            formatType="Text",
            text="It takes two days.",
            citationContent={
                "citations": [
                    {
                        "citedReference": {
                            "citedReferenceType": "Link",
                            "link": {"url": "https://a.example/k"},
                            "label": "Delivery",
                        }
                    }
                ]
            },
        ),
        Said(text="It takes two days.\nDelivery: https://a.example/k"),
    ),
    Case(
        "attachments",
        static(
            formatType="Attachments",
            text="The plan",
            attachments=[
                {"id": "a1", "name": "plan.pdf", "mimeType": "application/pdf", "url": FILE_URL},
                {"id": "a2", "name": "b.jpg", "mimeType": "image/jpeg", "url": FILE_URL + "2"},
            ],
        ),
        Said(
            text="The plan",
            files=(
                File(name="plan.pdf", mime_type="application/pdf", url=FILE_URL),
                File(name="b.jpg", mime_type="image/jpeg", url=FILE_URL + "2"),
            ),
        ),
    ),
    Case("links", static(formatType="Links", links=[{"url": "https://a.example"}]), Said(text="https://a.example")),
    Case(
        "rich link",
        static(
            formatType="RichLink",
            text="Look",
            linkItem=link("Our shop", "https://a.example/s"),
            image={"assetType": "ImageAsset", "id": "i", "mimeType": "image/png", "assetUrl": "https://a.example/i.png"},
        ),
        Said(text="Look\nOur shop: https://a.example/s"),
    ),
    Case(
        "media",
        static(
            formatType="Media",
            mediaAsset={"assetType": "VideoAsset", "id": "v", "mimeType": "video/mp4", "assetUrl": FILE_URL},
            linkItems=[link("More", "https://a.example/m")],
        ),
        Said(text="More: https://a.example/m", files=(File(name="file", mime_type="video/mp4", url=FILE_URL),)),
    ),
    Case(
        "web view",
        static(formatType="WebView", url="https://a.example/w", title=title("Survey", "two minutes"), displayType="AutoOverlay"),
        Said(text="Survey – two minutes: https://a.example/w"),
    ),
    Case(
        "application",
        static(
            formatType="Application",
            application={
                "applicationType": "ExternalApplication",
                "name": "shop",
                "identifier": "x",
                "developerId": "y",
                "message": title("Open our app"),
            },
        ),
        Said(text="Open our app"),
    ),
    Case(
        "buttons",
        choices(formatType="Buttons", text="Sure?", optionItems=[YES, NO]),
        Said(text="Sure?", choices=(Choice(id="o1", title="Yes"), Choice(id="o2", title="No", subtitle="not now"))),
    ),
    Case(
        "quick replies",
        choices(formatType="QuickReplies", text="Sure?", optionItems=[YES]),
        Said(text="Sure?", choices=(Choice(id="o1", title="Yes"),)),
    ),
    Case(
        "list picker",
        choices(formatType="ListPicker", title="Pick one", optionItems=[YES]),
        Said(text="Pick one", choices=(Choice(id="o1", title="Yes"),)),
    ),
    Case(
        "carousel",
        choices(
            formatType="Carousel",
            title="Lamps",
            items=[
                {
                    "titleItem": title("Small", "9 €"),
                    "interactionItems": [option("c1", "Order"), link("See it", "https://a.example/1")],
                },
                {"titleItem": title("Large"), "interactionItems": [option("c2", "Order")]},
                {"titleItem": title("Sold out"), "interactionItems": [{"itemType": "TitleOptionItem"}]},
            ],
        ),
        Said(
            text="Lamps\nSmall – 9 €: See it: https://a.example/1\nSold out",
            choices=(Choice(id="c1", title="Small – 9 €: Order"), Choice(id="c2", title="Large: Order")),
        ),
    ),
    Case(
        "time picker",
        choices(
            formatType="TimePicker",
            calendarEvent={
                "itemType": "CalendarEventOptionsItem",
                "identifier": "e",
                "title": "Fitting",
                "timezoneOffset": 60,
                "location": {"itemType": "LocationItem", "name": "Hamburg"},
                "timeSlotOptionItems": SLOTS,
            },
        ),
        Said(
            text="Fitting\nHamburg",
            choices=(
                Choice(id="t1", title="2026-03-02 15:30", subtitle="60 min"),
                Choice(id="t2", title="2026-03-03 10:00", subtitle="30 min"),
            ),
        ),
    ),
    Case(
        "time picker without an offset",
        choices(
            formatType="TimePicker",
            calendarEvent={
                "itemType": "CalendarEventOptionsItem",
                "identifier": "e",
                "title": "Fitting",
                "timeSlotOptionItems": SLOTS[:1],
            },
        ),
        Said(text="Fitting", choices=(Choice(id="t1", title="2026-03-02 14:30 UTC", subtitle="60 min"),)),
    ),
    Case(
        "choices by reference",
        choices(
            formatType="MessageDefinition",
            messageDefinitionNameOrId="Internal_Name",
            options=[{"optionIdentifier": "d1", "value": {"valueType": "TextValue", "textValue": "Blue"}}],
        ),
        Said(choices=(Choice(id="d1", title="Blue"),)),
    ),
    Case(
        "form",
        form(
            formatType="Inputs",
            formTitle=title("Your order"),
            sections=[
                asked("TextInput", "Name"),
                asked("SelectInput", "Size", optionItems=[option("s", "small"), option("l", "large")]),
                asked("SelectNavigationInput", "Next", optionItems=[{"optionItem": option("n", "more"), "nextInputId": "x"}]),
                {
                    "sectionType": "SingleInputSection",
                    "input": {"inputType": "StaticTitle", "id": "t", "titleItem": title("All fields are needed")},
                },
            ],
        ),
        Said(text="Your order\nAll fields are needed", form=("Name", "Size (small, large)", "Next (more)")),
    ),
    Case("form by reference", form(formatType="MessageDefinition", messageDefinitionNameOrId="Internal_Name"), Said()),
    Case(
        "a form's result",
        {
            "messageType": "FormResponseMessage",
            "id": MESSAGE_ID,
            "formResponse": {
                "formatType": "Result",
                "result": {
                    "resultType": "FormRecordsResult",
                    "records": [{"recordReferenceId": "r", "isCreated": True, "resultMessage": "Thank you"}],
                },
            },
        },
        Said(text="Thank you"),
    ),
]

# What the schema doesn't have, and may have one day.
UNKNOWN = [
    Case(
        "unknown format",
        static(formatType="Hologram", title="Look", text="Hi", url="https://a.example"),
        Said(text="Look\nHi\nhttps://a.example"),
    ),
    Case(
        "unknown type",
        {"messageType": "Poll", "id": "p", "poll": {"formatType": "Simple", "title": title("Which?"), "optionItems": [YES]}},
        Said(text="Which?", choices=(Choice(id="o1", title="Yes"),)),
    ),
    Case("nothing", {}, Said()),
    Case("no format", {"staticContent": {"text": "bare"}}, Said(text="bare")),
    Case("wrong shapes", static(formatType="Attachments", text=7, attachments=["x", {"name": "no url"}, None]), Said(text="7")),
]
