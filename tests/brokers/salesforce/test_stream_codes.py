"""Each error code of the Pub/Sub API has a course and a sentence for whoever operates the gateway."""

from __future__ import annotations

import pytest

from gateway.brokers.salesforce.stream_codes import ADVICE, PREFIX, Course, advice, code_of

COURSES = [
    ("service.auth.error", Course.refresh),
    ("service.auth.headers.invalid", Course.hold),
    ("service.unavailable", Course.again),
    ("topic.api.unavailable", Course.again),
    ("schema.api.unavailable", Course.again),
    ("subscription.internal.error", Course.again),
    ("subscription.fetch.replayid.corrupted", Course.lost),
    ("subscription.fetch.replayid.validation.failed", Course.lost),
    ("subscription.fetch.requested.events.invalid", Course.again),
    ("subscription.fetch.topic.mismatch", Course.again),
    ("subscription.fetch.overflow", Course.again),
    ("subscription.fetch.replay.repeated", Course.again),
    ("subscription.limit.exceeded", Course.allowance),
    ("subscription.topic.cannot.subscribe", Course.hold),
    ("topic.meta.permission", Course.hold),
    ("schema.meta.permission", Course.hold),
    ("topic.not.found", Course.hold),
    ("topic.validation.empty", Course.hold),
    ("schema.validation.failed", Course.hold),
    ("service.protection.triggered", Course.slow),
    ("service.protection.stream.limit.triggered", Course.slow),
    ("concurrent.client.limit.exceeded", Course.slow),
    ("service.tenant.license", Course.hold),
    ("managed.subscription.already.active", Course.hold),
    ("something.new", Course.again),
]


@pytest.mark.parametrize(("code", "course"), COURSES)
def test_a_code_has_its_course(code: str, course: Course) -> None:
    assert advice(code_of(PREFIX + code, "INTERNAL")).course is course


def test_the_table_has_no_other_codes() -> None:
    assert ADVICE.keys() <= {code for code, _ in COURSES}


@pytest.mark.parametrize("code", [code for code, _ in COURSES])
def test_the_sentence_says_what_happened_and_what_to_do(code: str) -> None:
    sentence = advice(code).sentence
    assert sentence.endswith(".")
    assert sentence.count(". ") >= 1
    assert PREFIX not in sentence


@pytest.mark.parametrize(
    ("trailer", "status", "code"),
    [
        (PREFIX + "topic.not.found", "NOT_FOUND", "topic.not.found"),
        ("topic.not.found", "UNKNOWN", "topic.not.found"),
        (None, "UNAUTHENTICATED", "service.auth.error"),
        (None, "UNAVAILABLE", "service.unavailable"),
        (None, "DEADLINE_EXCEEDED", "deadline_exceeded"),
        ("", "PERMISSION_DENIED", "topic.meta.permission"),
    ],
)
def test_an_answer_without_a_code_is_judged_by_its_status(trailer: str | None, status: str, code: str) -> None:
    assert code_of(trailer, status) == code
