"""The spellings of a value."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tako.secrets.forms import MIN_LENGTH, forms


@given(st.text(min_size=4, max_size=40).filter(lambda value: len(value.strip()) >= MIN_LENGTH))
def test_any_value_has_itself_and_no_short_spelling(value: str) -> None:
    found = forms(value)
    assert value.encode() in found
    assert min(map(len, found)) >= MIN_LENGTH


def test_a_plain_value_has_few_spellings() -> None:
    # Itself, its base64 in three places with and without what follows, and hexadecimal.
    assert len(forms("s3cr3tVal")) <= 12
