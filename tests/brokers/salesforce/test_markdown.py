"""Reps' Markdown in a channel's own marks."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.brokers.salesforce.markdown import rendered

# As it was written, on WhatsApp, and where text is plain.
CASES = [
    ("**bold** and *italic* and _italic_", "*bold* and _italic_ and _italic_", "bold and italic and italic"),
    ("__bold__ and ~~struck~~", "*bold* and ~struck~", "bold and struck"),
    ("***both***", "_*both*_", "both"),
    ("**bold *and italic***", "*bold _and italic_*", "bold and italic"),
    ("*it **and bold** it*", "_it *and bold* it_", "it and bold it"),
    ("`code *as it is*`", "`code *as it is*`", "code *as it is*"),
    ("``a ` b``", "`a ` b`", "a ` b"),
    ("[Shop](https://a.example/s)", "Shop (https://a.example/s)", "Shop (https://a.example/s)"),
    ("[**Shop**](https://a.example/s)", "*Shop* (https://a.example/s)", "Shop (https://a.example/s)"),
    ("**[Shop](https://a.example/s)**", "*Shop (https://a.example/s)*", "Shop (https://a.example/s)"),
    ("[https://a.example](https://a.example/)", "https://a.example", "https://a.example"),
    ("[a@b.example](mailto:a@b.example)", "a@b.example", "a@b.example"),
    ('[Wiki](https://a.example/x_(y) "the title")', "Wiki (https://a.example/x_(y))", "Wiki (https://a.example/x_(y))"),
    ("![A lamp](https://a.example/l.png)", "A lamp (https://a.example/l.png)", "A lamp (https://a.example/l.png)"),
    ("<https://a.example/a_b_c>", "https://a.example/a_b_c", "https://a.example/a_b_c"),
    ("see https://a.example/a_b_c*d*e.", "see https://a.example/a_b_c*d*e.", "see https://a.example/a_b_c*d*e."),
    ("**https://a.example/x**", "*https://a.example/x*", "https://a.example/x"),
    ("# Offer\n## Today ##", "*Offer*\n*Today*", "Offer\nToday"),
    ("# An **offer**", "An *offer*", "An offer"),
    ("* one\n- two\n1. three", "- one\n- two\n1. three", "- one\n- two\n1. three"),
    ("  * **in** it", "  - *in* it", "  - in it"),
    ("+ 49 151 12345", "+ 49 151 12345", "+ 49 151 12345"),
    (r"\*not\* \_this\_ 1\. \[x\]", "*not* _this_ 1. [x]", "*not* _this_ 1. [x]"),
    (r"C:\temp\new and \\server", r"C:\temp\new and \\server", r"C:\temp\new and \\server"),
    (
        "snake_case_name and 5*3*2 and 2 * 3 * 4",
        "snake_case_name and 5*3*2 and 2 * 3 * 4",
        "snake_case_name and 5*3*2 and 2 * 3 * 4",
    ),
    ("not **closed and a lone * or _", "not **closed and a lone * or _", "not **closed and a lone * or _"),
    ("**a** b**", "*a* b**", "a b**"),
    ("#tag and 5 < 6 > 4 and [x] and ](", "#tag and 5 < 6 > 4 and [x] and ](", "#tag and 5 < 6 > 4 and [x] and ]("),
    ("****\n____\n---", "****\n____\n---", "****\n____\n---"),
    ("about ~5 or ~6~ km", "about ~5 or ~6~ km", "about ~5 or ~6~ km"),
    ("これは**重要**です", "これは*重要*です", "これは重要です"),
    ("```\na *b*\n```", "```\na *b*\n```", "a *b*"),
    ("one  \ntwo\r\nthree", "one\ntwo\nthree", "one\ntwo\nthree"),
    ("", "", ""),
]


@pytest.mark.parametrize(("written", "whatsapp", "plain"), CASES)
def test_marks(written: str, whatsapp: str, plain: str) -> None:
    assert rendered(written, "whatsapp") == whatsapp
    assert rendered(written, "whatsapp-twilio") == whatsapp
    assert rendered(written, "sms") == plain
    assert rendered(written, "webchat") == plain


pieces = st.sampled_from(
    [
        "**",
        "*",
        "_",
        "__",
        "~~",
        "~",
        "`",
        "``",
        "```",
        "[",
        "]",
        "](",
        ")",
        "](x)",
        "](https://u.example/p)",
        "<",
        ">",
        "#",
        "# ",
        "- ",
        "* ",
        "\\",
        "\\*",
        "!",
        "![",
        " ",
        "\n",
        "https://v.example/q_r_s",
        "http://",
        "mailto:",
        "h",
        "word",
        "ö",
        "5",
        "字",
        "a_b",
        "\xa0",
        "  \n",
        "\t",
        "\r",
    ]
)
texts = st.lists(pieces, max_size=24).map("".join) | st.text(max_size=40)


def letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text)


@given(texts, st.sampled_from(["whatsapp", "sms"]))
@example("[h](h)", "sms")
def test_no_letter_or_figure_is_lost_or_moved(text: str, kind: str) -> None:
    shown = letters(rendered(text, kind))
    if shown != letters(text):  # a link that is called by its own address is written once
        once = letters(rendered(re.sub(r"\]\(", "]\u00a7(", text), kind))
        assert len(shown) < len(once)
        assert "](" in text


@given(texts)
def test_plain_text_has_what_whatsapps_has_without_its_marks(text: str) -> None:
    without = str.maketrans("", "", "*_~`")
    assert "".join(rendered(text, "sms").translate(without).split()) == "".join(
        rendered(text, "whatsapp").translate(without).split()
    )


@given(st.text(alphabet=st.characters(exclude_characters="\\*_~`[]<>#-!\n\r \t(")))
def test_text_without_marks_stays_as_it_is(text: str) -> None:
    assert rendered(text, "whatsapp") == text == rendered(text, "sms")


HOSTILE = [
    "*",
    "**",
    "_a",
    "*a ",
    "[",
    "](",
    "[a](",
    "[a](b",
    "`",
    "`a",
    "``a`",
    "<",
    "<http://",
    "\\",
    "http://",
    "h",
    "~~",
    "*_",
    "**a*",
    "[[a](u)",
    "[a](u)]",
    "# ",
    "(",
    "](((",
    '](a "',
]


def steps(text: str) -> int:
    """How many functions are called, ours and Python's own."""
    count = 0

    def note(frame: object, event: str, function: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        rendered(text, "whatsapp")
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_takes_no_more_steps_than_it_is_long(unit: str) -> None:
    assert steps(unit * 4_000) < 12 * max(steps(unit * 400), 100)


@pytest.mark.parametrize(
    ("begin", "end"), [("[", "](u)"), ("[a ", "](u) "), ("*a ", "b* "), ("(", ")"), ("[", "]"), ("`a ", "``")]
)
def test_many_things_opened_and_closed_later_take_no_more_steps_either(begin: str, end: str) -> None:
    assert steps(begin * 4_000 + end * 4_000) < 12 * max(steps(begin * 400 + end * 400), 100)
