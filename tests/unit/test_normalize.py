"""Which phone numbers and e-mail addresses are the same."""

import pytest

from distribution import normalize


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("+79991234567", "", "+79991234567"),
        ("+7 999 123-45-67", "", "+79991234567"),
        (" +7 (999) 1234567 ", "", "+79991234567"),
        ("tel:+7-999-123-45-67", "", "+79991234567"),
        ("8 (999) 123-45-67", "RU", "+79991234567"),
        ("9991234567", "RU", "+79991234567"),
        ("+44 20 7946 0958", "RU", "+442079460958"),
        ("8 (999) 123-45-67", "", None),
        ("79991234567", "", None),
        ("+7999", "", None),
        ("+7 999 123-45-67 ext. 12", "", None),
        ("+999123456789", "", None),
        ("call me", "RU", None),
        ("", "RU", None),
        (None, "RU", None),
        ("+" + "7" * 254, "", None),
        ("0049 30 123456", "", "+4930123456"),
        ("(0049) 30-123456", "RU", "+4930123456"),
        ("007 999 123-45-67", "KZ", "+79991234567"),
        ("011 49 30 123456", "US", "+4930123456"),
        ("00", "DE", None),
        ("+49 (0) 30 123456", "", "+4930123456"),
        ("+39 (0) 6 12345678", "", "+390612345678"),
        ("(+49) 30 123456", "", "+4930123456"),
        ("TEL:+7-999-123-45-67", "", "+79991234567"),
        ("tel:%2B79991234567", "", "+79991234567"),
        ("tel:030-123456;phone-context=+49", "", "+4930123456"),
        ("tel:+79991234567;ext=12", "", None),
        ("whatsapp:+79991234567", "", "+79991234567"),
        ("+7 999 123-45-67 (Anna)", "", "+79991234567"),
        ("+7_999_1234567", "", "+79991234567"),
        ("\u202a+7 999 123-45-67\u202c", "", "+79991234567"),
        ("+7\u200e999\u200b123\u20604567\ufeff", "", "+79991234567"),
        ("+7\t999\u202f123\u20094567", "", "+79991234567"),
        ("+\u0667\u0669\u0669\u0669\u0661\u0662\u0663\u0664\u0665\u0666\u0667", "", "+79991234567"),
        ("\uff0b\uff17\uff19\uff19\uff19\uff11\uff12\uff13\uff14\uff15\uff16\uff17", "", "+79991234567"),
    ],
)
def test_a_phone_is_spelled_as_e164_where_it_can_be_told(text: str | None, region: str, expected: str | None) -> None:
    """With its country code, or with the country that is set; an extension or too few digits tell nothing."""
    assert normalize.phone(text, region) == expected


@pytest.mark.parametrize(
    "ways",
    [
        ("+5511987654321", "+551187654321", "+55 (11) 8765-4321", "+55 11 9 8765-4321"),
        ("+5531991234567", "+553191234567"),
        ("+5215512345678", "+525512345678", "+52 1 55 1234 5678", "+52 044 55 1234 5678", "0052 55 1234 5678"),
        ("+5491123456789", "+541123456789", "+54 11 15 2345-6789", "+54 9 11 15 2345-6789", "+54 9 (11) 2345-6789"),
        ("+2290190123456", "+22990123456"),
    ],
)
def test_a_number_that_is_written_in_two_ways_is_one_number(ways: tuple[str, ...]) -> None:
    """As WhatsApp and carriers write the mobile numbers of Brazil, Mexico, Argentina, and all of Benin."""
    assert len({normalize.phone(way) for way in ways}) == 1
    assert len({*map(tuple, map(normalize.phone_spellings, ways))}) == 1


@pytest.mark.parametrize(
    "landline", ["+551133334444", "+551122223333", "+556132110000", "+558005912117", "+5540042020"]
)
def test_a_landline_is_never_a_mobile_number(landline: str) -> None:
    """A Brazilian number of eight digits that begins with 2 to 5 gets no ninth one, and is found by itself alone."""
    assert normalize.phone_spellings(landline) == [landline]
    assert normalize.phone(f"{landline[:5]}9{landline[5:]}") != landline


def test_the_spelling_of_the_rule_before_is_known() -> None:
    """For rows that a worker of the release before writes during an upgrade."""
    assert normalize.phone_spellings("+55 11 98765-4321") == ["+5511987654321", "+551187654321"]
    assert normalize.phone_spellings("+54 9 11 2345-6789") == ["+541123456789", "+5491123456789"]
    assert normalize.phone_spellings("123") == normalize.phone_spellings(None) == []
    assert normalize.email_spellings(" Anna@Example.COM") == ["anna@example.com", "Anna@example.com"]
    assert normalize.email_spellings("anna@example.com") == ["anna@example.com"]
    assert normalize.email_spellings("anna") == normalize.email_spellings(None) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("anna@example.com", "anna@example.com"),
        ("  Anna@EXAMPLE.Com\n", "anna@example.com"),
        ("anna@ПРИМЕР.рф", "anna@пример.рф"),
        ("anna@xn--e1afmkfd.xn--p1ai", "anna@пример.рф"),
        ("Info@Example.com", "info@example.com"),
        ("anna", None),
        ("a@b", None),
        ("anna@example..com", None),
        ("Anna <anna@example.com>", "anna@example.com"),
        ("\u0410\u043d\u043d\u0430 <Anna@example.com>", "anna@example.com"),
        ('"Ivanova, Anna" <anna@example.com>', "anna@example.com"),
        ("anna@example.com <anna@example.com>", "anna@example.com"),
        ("<anna@example.com>", "anna@example.com"),
        ("anna@example.com (Anna)", "anna@example.com"),
        ("'anna@example.com'", "anna@example.com"),
        ("o'neil@example.com", "o'neil@example.com"),
        ("mailto:anna@example.com", "anna@example.com"),
        ("MAILTO:Anna%40example.com?subject=Hello", "anna@example.com"),
        ("Anna <mailto:anna@example.com>", "anna@example.com"),
        ("anna@example.com.", "anna@example.com"),
        ("anna@example.com, ", "anna@example.com"),
        ("anna\u200b@exam\u00adple.com\u200e", "anna@example.com"),
        ("\ufeffanna@example.com", "anna@example.com"),
        ("\uff41nna\uff20example\uff0ecom", "anna@example.com"),
        ("anna+shop@example.com", "anna+shop@example.com"),
        ("a.nna@gmail.com", "a.nna@gmail.com"),
        ("anna@example.com, petr@example.com", None),
        ("mailto:anna@example.com,petr@example.com", None),
        ("anna @example.com", None),
        ("anna@[127.0.0.1]", None),
        (" ", None),
        (None, None),
        ("a" * 250 + "@example.com", None),
    ],
)
def test_an_email_is_spelled_bare_and_in_lower_case(text: str | None, expected: str | None) -> None:
    """Nothing around it and nothing invisible in it; what cannot be an address, or is two, has no such spelling."""
    assert normalize.email(text) == expected


def test_a_region_is_two_capital_letters() -> None:
    """Countries, not languages and not codes."""
    assert normalize.is_region("KZ")
    assert not any(map(normalize.is_region, ("", "kz", "XX", "7", "KAZ", "001")))
