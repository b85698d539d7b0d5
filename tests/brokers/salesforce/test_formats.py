"""Words both ways: a rep's for the customer, a customer's for the org."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import Capabilities, FileRule
from adapters.envelope import (
    CallPart,
    ChoicePart,
    ContactPart,
    LocationPart,
    MediaPart,
    MediaState,
    OrderItem,
    OrderPart,
    Part,
    ProductPart,
    StickerPart,
    TextPart,
    UnknownPart,
)
from gateway.brokers.salesforce.events import Choice, File, Said
from gateway.brokers.salesforce.formats import (
    Interaction,
    Spoken,
    acknowledgement,
    chosen,
    delivery_failed,
    form_answers,
    interactions,
    parts_for_customer,
    text,
    typing,
)

PICTURES = Capabilities(
    inbound=frozenset(),
    outbound=frozenset({"say.text", "say.image"}),
    max_text=1000,
    files=(FileRule(media="image", max_bytes=5_000_000),),
)
WORDS = Capabilities(inbound=frozenset(), outbound=frozenset({"say.text"}), max_text=1000)
YES, NO = Choice(id="o1", title="Yes"), Choice(id="o2", title="No", subtitle="not now")
PLAN = File(name="plan.pdf", mime_type="application/pdf", url="https://acme.file.force.com/plan")

SPOKEN = [
    ("text", Said(text="**Hello**"), "sms", PICTURES, Spoken(("Hello",))),
    ("marks", Said(text="**Hello**"), "whatsapp", PICTURES, Spoken(("*Hello*",))),
    ("choices", Said(text="Sure?", choices=(YES, NO)), "sms", WORDS, Spoken(("Sure?\n\n1. Yes\n2. No – not now",))),
    ("choices alone", Said(choices=(YES,)), "sms", WORDS, Spoken(("1. Yes",))),
    (
        "form",
        Said(text="Your order", form=("Name", "Size (s, l)")),
        "sms",
        WORDS,
        Spoken(("Your order\n\n- Name\n- Size (s, l)",)),
    ),
    ("file", Said(text="Look", files=(PLAN,)), "whatsapp", PICTURES, Spoken(("Look",), (PLAN,))),
    ("file alone", Said(files=(PLAN,)), "whatsapp", PICTURES, Spoken((), (PLAN,))),
    (
        "file where none go",
        Said(text="Look", files=(PLAN,)),
        "sms",
        WORDS,
        Spoken(("Look\n\nplan.pdf: https://acme.file.force.com/plan",)),
    ),
    ("nothing", Said(), "sms", WORDS, Spoken()),
    ("only blanks", Said(text=" \n "), "sms", WORDS, Spoken()),
]


@pytest.mark.parametrize(("said", "kind", "capabilities", "spoken"), [row[1:] for row in SPOKEN], ids=[row[0] for row in SPOKEN])
def test_what_the_customer_is_told(said: Said, kind: str, capabilities: Capabilities, spoken: Spoken) -> None:
    assert parts_for_customer(said, capabilities, kind=kind) == spoken


ANSWERS = [
    ("1", YES),
    ("2", NO),
    (" 2. ", NO),
    ("2)", NO),
    ("(2)", NO),
    ("#2", NO),
    ("yes", YES),
    ("  YES ", YES),
    ("no", NO),
    ("0", None),
    ("3", None),
    ("2 please", None),
    ("-1", None),
    ("\u0661", None),
    ("maybe", None),
    ("", None),
    ("9" * 400, None),
]


@pytest.mark.parametrize(("words", "choice"), ANSWERS)
def test_a_numbered_answer(words: str, choice: Choice | None) -> None:
    assert chosen(words, (YES, NO)) == choice


def test_a_title_that_is_a_number_counts_before_the_place() -> None:
    sizes = (Choice(id="a", title="2"), Choice(id="b", title="1"), Choice(id="c", title="L"), Choice(id="d", title="l"))
    assert chosen("1", sizes) == sizes[1]
    assert chosen("3", sizes) == sizes[2]
    assert chosen("l", sizes) is None  # of two


def entry(**members: Any) -> dict[str, Any]:
    return {"interactionType": "EntryInteraction", "payload": members}


def words_of(made: Interaction) -> str:
    return str(made.body["payload"]["abstractMessage"]["staticContent"]["text"])


TEXTS: list[tuple[Part, str]] = [
    (TextPart(text="hello"), "hello"),
    (MediaPart(media="image", name="a.jpg", caption="see"), "[image: a.jpg] see"),
    (MediaPart(media="voice", media_id="m", state=MediaState.failed), "[voice]"),
    (
        LocationPart(latitude=53.541342, longitude=-9.984177, name="Pier"),
        "[location: Pier, 53.541342, -9.984177]\nhttps://www.openstreetmap.org/?mlat=53.541342&mlon=-9.984177",
    ),
    (ContactPart(name="Leo", phones=("+34 600",)), "[contact: Leo, +34 600]"),
    (ChoicePart(id="x", title="Blue", description="dark"), "Blue\ndark"),
    (ChoicePart(title="Sent", fields={"name": "Kim", "age": 7}), "Sent\nname: Kim\nage: 7"),
    (StickerPart(text="ok"), "[sticker: ok]"),
    (ProductPart(title="Lamp"), "[product: Lamp]"),
    (OrderPart(items=(OrderItem(title="Lamp", quantity="2"),), note="gift"), "[order: 2 × Lamp] gift"),
    (CallPart(), "[missed call]"),
    (UnknownPart(provider_type="dice", fallback="[dice]"), "[dice]"),
]


@pytest.mark.parametrize(("part", "words"), TEXTS, ids=[part.type for part, _ in TEXTS])
def test_a_part_in_words(part: Part, words: str) -> None:
    (made,) = interactions([part])
    assert words_of(made) == words
    assert made.media_id is None


def test_a_file_names_what_to_send() -> None:
    picture = MediaPart(media="image", media_id="m1", caption="see", state=MediaState.ready)
    sticker = StickerPart(text="ok", media=MediaPart(media="image", media_id="m2"))
    made = interactions([TextPart(text="first"), picture, sticker, TextPart(text="  ")])
    assert [one.media_id for one in made] == [None, "m1", "m2"]
    assert [one.body for one in made[1:]] == [
        {"interactionType": "AttachmentInteraction", "text": "see"},
        {"interactionType": "AttachmentInteraction", "text": None},
    ]


PICKED = entry(
    entryType="Message",
    abstractMessage={
        "messageType": "ChoicesResponseMessage",
        "inReplyToMessageId": "q1",
        "choicesResponse": {
            "formatType": "Selections",
            "selectedOptions": [{"optionIdentifier": "o2", "optionTitle": {"itemType": "TitleItem", "title": "No"}}],
        },
    },
)


@pytest.mark.parametrize(
    "part", [TextPart(text="2"), TextPart(text="no"), ChoicePart(id="o2", title="whatever"), ChoicePart(id="ours", title="No")]
)
def test_an_answer_to_what_the_org_asked(part: Part) -> None:
    (made,) = interactions([part], answers="q1", choices=(YES, NO))
    assert made.body == PICKED


def test_other_words_are_words_and_name_what_they_answer() -> None:
    (made,) = interactions([TextPart(text="which one is cheaper?")], answers="q1", choices=(YES, NO))
    assert words_of(made) == "which one is cheaper?"
    assert made.body["payload"]["abstractMessage"]["inReplyToMessageId"] == "q1"
    (alone,) = interactions([TextPart(text="2")], choices=(YES, NO))
    assert words_of(alone) == "2"


def test_the_other_interactions() -> None:
    assert typing(True).body == entry(entryType="TypingStartedIndicator")
    assert typing(False).body == entry(entryType="TypingStoppedIndicator")
    assert words_of(text("edited")) == "edited"
    assert delivery_failed("e1", "").body == entry(
        entryType="MessageDeliveryFailed", failedConversationEntryIdentifier="e1", errorCode="refused"
    )
    assert form_answers({"name": "Kim"}, answers="f1").body["payload"]["abstractMessage"]["formResponse"]["inputValues"] == [
        {"inputValueType": "SingleInputValue", "inputId": "name", "value": {"valueType": "TextValue", "textValue": "Kim"}}
    ]
    assert acknowledgement("read", "e1", 5) == {
        "acknowledgementType": "Read",
        "acknowledgedConversationEntryIdentifier": "e1",
        "acknowledgementTimestamp": "5",
    }


choice_lists = st.lists(st.builds(Choice, id=st.text(max_size=4), title=st.text(max_size=6)), max_size=4)


@given(st.text(max_size=12), choice_lists)
def test_any_text_is_one_of_the_choices_or_none(words: str, choices: list[Choice]) -> None:
    assert chosen(words, choices) in (*choices, None)


@given(st.integers(1, 4), st.lists(st.text(alphabet="abc", min_size=1, max_size=3), min_size=4, max_size=4, unique=True))
def test_the_number_that_is_shown_is_the_number_that_counts(number: int, titles: list[str]) -> None:
    choices = tuple(Choice(id=title, title=title) for title in titles)
    (shown,) = parts_for_customer(Said(choices=choices), WORDS, kind="sms").texts
    assert shown.splitlines()[number - 1] == f"{number}. {titles[number - 1]}"
    assert chosen(str(number), choices) == choices[number - 1]
