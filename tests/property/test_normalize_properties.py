"""Normalising never fails, and says the same of what it has said already."""

from email_validator import SPECIAL_USE_DOMAIN_NAMES, validate_email
from hypothesis import example, given
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from distribution import normalize

regions = st.sampled_from(["", "RU", "KZ", "US", "AR", "IT", "GB"])
anything = st.text(st.characters(exclude_categories=[]), max_size=300)
digits = st.text("0123456789", min_size=1, max_size=18)
numbers = st.builds(lambda code, rest: f"+{code}{rest}", st.sampled_from(sorted(COUNTRY_CODE_TO_REGION_CODE)), digits)
number_like = st.text("+0123456789 -().;=extx,#*/\u00a0\uff0b\uff17\u0660", max_size=40) | numbers | digits
letters = st.sampled_from("Annaß\u0438\u043d\u0418.-_0")
labels = st.text(st.characters(), min_size=1, max_size=12) | st.text(letters, min_size=1, max_size=12)
domains = st.sampled_from(["RU", "com", "\u0440\u0444"])
plain = st.text("ab0_+-.", min_size=1, max_size=70)
plain_addresses = st.builds("{}@{}.{}".format, plain, plain, st.sampled_from(["ru", "com", *SPECIAL_USE_DOMAIN_NAMES]))
address_like = st.builds("{}@{}.{}".format, labels, labels, domains)


@given(anything | number_like | address_like, regions)
def test_any_text_is_taken(text: str, region: str) -> None:
    """Whatever a bot sends as a phone or an e-mail, lone surrogates included, it is spelled so or not at all."""
    phone, email = normalize.phone(text, region), normalize.email(text)
    assert phone is None or (phone.startswith("+") and phone[1:].isascii() and phone[1:].isdigit())
    assert phone is None or len(phone) <= 32
    assert email is None or ("@" in email and "\0" not in email and len(email.encode()) <= 255)


@given(number_like, regions, regions)
def test_a_normalised_phone_stays(text: str, region: str, other: str) -> None:
    """Normalised again it is the same, whichever country is set by then."""
    found = normalize.phone(text, region)
    assert normalize.phone(found, other) == found


@given(address_like)
def test_a_normalised_email_stays(text: str) -> None:
    """Normalised again it is the same."""
    found = normalize.email(text)
    assert normalize.email(found) == found


@given(plain_addresses | address_like)
@example("a@b.co")
@example("a@xn--e1afmkfd.xn--p1ai")
@example("info@example.com")
def test_plain_addresses_are_what_the_library_says(text: str) -> None:
    """The short way for plain addresses takes none that the library refuses or spells otherwise."""
    try:
        expected = validate_email(text.strip(), check_deliverability=False).normalized
    except ValueError:
        expected = None
    assert normalize.email(text) == expected


@given(numbers, st.lists(st.sampled_from([" ", "-", "(", ")", ".", "\u00a0"]), min_size=20, max_size=20))
def test_separators_do_not_matter(number: str, separators: list[str]) -> None:
    """The same digits behind the same plus are the same number, however they are set apart."""
    spaced = "+" + "".join(f"{digit}{mark}" for digit, mark in zip(number[1:], separators, strict=False))
    if len(number) <= len(separators):
        assert normalize.phone(spaced) == normalize.phone(number)
