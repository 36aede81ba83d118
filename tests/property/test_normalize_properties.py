"""Normalising never fails, and says the same of what it has said already."""

import re
import sys
import unicodedata

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, validate_email
from hypothesis import assume, example, given
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumberFormat, PhoneNumberType

from distribution import normalize
from distribution.normalize.visible import INVISIBLE

regions = st.sampled_from(["", "RU", "KZ", "US", "AR", "IT", "GB"])
anything = st.text(st.characters(exclude_categories=[]), max_size=300)
digits = st.text("0123456789", min_size=1, max_size=18)
numbers = st.builds(lambda code, rest: f"+{code}{rest}", st.sampled_from(sorted(COUNTRY_CODE_TO_REGION_CODE)), digits)
number_like = st.text("+0123456789 -().;=extx,#*/\u00a0\uff0b\uff17\u0660", max_size=40) | numbers | digits
FORMS = (PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.RFC3966)
two_ways = st.builds("+{}{}".format, st.sampled_from(["52", "54", "55", "229"]), st.text("0123456789", max_size=13))
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


@given(number_like | two_ways, regions, regions)
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
    assume(re.fullmatch(r"[^@<>()'\".,;]+@[^@<>()'\",;]*[^@<>()'\".,;\s]", text.strip()))
    assume(unicodedata.is_normalized("NFKC", text) and text.lower() == text and not INVISIBLE.search(text))
    try:
        expected = validate_email(text.strip(), check_deliverability=False).normalized
    except ValueError:
        expected = None
    assert normalize.email(text) == (expected if expected is None or expected.islower() else normalize.email(expected))


@given(numbers, st.lists(st.sampled_from([" ", "-", "(", ")", ".", "\u00a0"]), min_size=20, max_size=20))
def test_separators_do_not_matter(number: str, separators: list[str]) -> None:
    """The same digits behind the same plus are the same number, however they are set apart."""
    spaced = "+" + "".join(f"{digit}{mark}" for digit, mark in zip(number[1:], separators, strict=False))
    if len(number) <= len(separators):
        assert normalize.phone(spaced) == normalize.phone(number)


def two_ways_of(country: str, subscriber: str) -> tuple[str, str]:
    """Both ways of one number, by nothing but where the digits stand: `subscriber` has 10, or 8 in Benin."""
    match country:
        case "52":
            return f"+52{subscriber}", f"+521{subscriber}"
        case "54":
            return f"+54{subscriber}", f"+549{subscriber}"
        case "229":
            return f"+229{subscriber[:8]}", f"+22901{subscriber[:8]}"
        case _:
            return f"+55{subscriber}", f"+55{subscriber[:2]}9{subscriber[2:]}"


@given(st.sampled_from(["52", "54", "55", "229"]), st.from_regex(r"[1-9]{2}[016-9][0-9]{7}", fullmatch=True), regions)
def test_both_ways_are_one_number(country: str, subscriber: str, region: str) -> None:
    """Whichever of the two comes, the spelling is one, and both are searched for."""
    one, other = two_ways_of(country, subscriber)
    assert normalize.phone(one, region) == normalize.phone(other, region) is not None
    assert set(normalize.phone_spellings(one, region)) <= {one, other}


@given(*[st.from_regex(r"[1-9]{2}[0-9]{8,9}", fullmatch=True)] * 2)
def test_two_numbers_of_brazil_are_never_one(mine: str, yours: str) -> None:
    """They share a spelling only if they are the same but for a ninth digit that a mobile number may have."""

    def eight(number: str) -> str:
        mobile = len(number) == 11 and number[2] == "9" and number[3] not in "2345"
        return number[:2] + number[3:] if mobile else number

    if normalize.phone(f"+55{mine}") == normalize.phone(f"+55{yours}") is not None:
        assert eight(mine) == eight(yours)


@given(st.from_regex(r"[1-9]{2}[2-5][0-9]{7}", fullmatch=True))
def test_landlines_of_brazil_stay_as_they_are(subscriber: str) -> None:
    """The library knows landlines by their first digit too; none of them gets a ninth digit or another spelling."""
    number = f"+55{subscriber}"
    assert normalize.phone_spellings(number) in ([number], [])
    if phonenumbers.number_type(phonenumbers.parse(number)) == PhoneNumberType.FIXED_LINE:
        assert normalize.phone(number) == number


def test_numbers_of_every_country_are_found_in_every_form() -> None:
    """The library's example of each kind: as E.164, as printed abroad and at home, as a URI, with 00."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        kinds = [phonenumbers.example_number_for_type(region, kind) for kind in range(PhoneNumberType.UNKNOWN)]
        for number in filter(None, kinds):
            plain, *printed = [phonenumbers.format_number(number, form) for form in FORMS]
            spelled = normalize.phone(plain)
            assert spelled is not None
            assert {normalize.phone(text) for text in (*printed, f"00{plain[1:]}")} == {spelled}
            at_home = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
            assert normalize.phone(at_home, region) == spelled
            assert plain in normalize.phone_spellings(plain)


invisible = st.sampled_from([chr(code) for code in range(sys.maxunicode + 1) if INVISIBLE.match(chr(code))])


@given(st.lists(invisible, min_size=20, max_size=20), st.sampled_from(["+79991234567", "anna@example.com"]))
def test_what_nobody_sees_does_not_matter(marks: list[str], text: str) -> None:
    """Between any two characters, at the beginning and at the end."""
    marked = "".join(f"{mark}{letter}" for letter, mark in zip(f"{text} ", marks, strict=False))
    assert (normalize.phone(marked), normalize.email(marked)) == (normalize.phone(text), normalize.email(text))


def test_every_invisible_character_is_known() -> None:
    """Unicode's format characters but those that are drawn, and controls but white space; nothing that is drawn."""
    drawn = re.compile("[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd\U00013430-\U0001343f]")
    for code in range(sys.maxunicode + 1):
        category = unicodedata.category(letter := chr(code))
        if category in ("Cf", "Cc") and not letter.isspace() and not drawn.match(letter):
            assert INVISIBLE.match(letter), hex(code)
        if INVISIBLE.match(letter):
            assert not letter.isspace()
            assert category in ("Cf", "Cc", "Cn", "Mn") or "FILLER" in unicodedata.name(letter), hex(code)


@given(address_like | plain_addresses, st.sampled_from(["{}", "mailto:{}", "Anna <{}>", "<{}>", "{}.", " {} ", "'{}'"]))
def test_what_stands_around_an_address_does_not_matter(address: str, around: str) -> None:
    """A name, brackets, a scheme, a last dot: an address that is one is found through them, in capitals too."""
    spelled = normalize.email(address)
    if spelled is not None:
        assert normalize.email(around.format(spelled)) == spelled
        assert normalize.email(spelled.upper()) in (spelled, normalize.email(spelled.upper().lower()))
