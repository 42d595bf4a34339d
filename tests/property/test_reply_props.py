"""Whatever people type: the order they gave, or a question back; never another order, never a crash."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netmon.alerts.replies import ALONE, VERBS, Asked, own_words, parse

NUMBERS = st.integers(min_value=1, max_value=999_999)
WORDS = st.sampled_from(sorted(VERBS))
GAPS = st.sampled_from([" ", "  ", "-", ": ", " = ", ", ", ".", "\u00a0"])
CASES = st.sampled_from([str.lower, str.upper, str.title])
TAILS = st.sampled_from(
    ["", " ", ".", "=nhan", " - 5 phút nữa tới", " , đang đi", "\n\n> 1043 2", "\nOn 1/1 netmon wrote:\n1043 2"]
)


@given(NUMBERS, st.booleans(), WORDS, GAPS, CASES, TAILS, st.sampled_from(["", "#", "  "]))
def test_an_order_is_understood_however_it_is_written(
    number: int, drill: bool, word: str, gap: str, case: object, tail: str, head: str
) -> None:
    name = f"D{number:02d}" if drill else str(number)
    text = head + case(name + gap + word) + tail  # type: ignore[operator]
    assert parse(text) == Asked(VERBS[word], name)


@given(NUMBERS, WORDS, st.sampled_from(["", "\n", "> cũ\n", "\r\n \r\n"]))
def test_a_letter_has_its_number_from_the_subject(number: int, word: str, head: str) -> None:
    assert parse(f"{head}{word}\r\n\r\nAnh An", f"Re: [netmon {number}] Mất kết nối") == Asked(VERBS[word], str(number))


@given(NUMBERS, NUMBERS, WORDS)
def test_the_text_has_precedence_over_the_subject(number: int, other: int, word: str) -> None:
    assert parse(f"{number} {word}", f"Re: [netmon {other}]") == Asked(VERBS[word], str(number))


@given(st.text(max_size=300), st.text(max_size=60))
def test_anything_else_is_asked_back(text: str, subject: str) -> None:
    asked = parse(text, subject)
    line = own_words(text)
    if asked.verb != "help":
        assert any(letter.isdigit() for letter in line) or asked.verb in ALONE or "[netmon" in subject.lower()
    assert asked.number == "" or asked.number.lstrip("D").isascii()


@given(st.from_regex(r"\A[0-9]{1,9}\Z"), st.from_regex(r"\A[0-9]{1,9}\Z"))
def test_two_numbers_are_an_order_only_if_the_second_is_one(first: str, second: str) -> None:
    asked = parse(f"{first} {second}")
    assert (asked.verb != "help") == (second in VERBS and len(first) <= 6)
