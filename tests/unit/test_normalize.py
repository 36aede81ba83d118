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
    ],
)
def test_a_phone_is_spelled_as_e164_where_it_can_be_told(text: str | None, region: str, expected: str | None) -> None:
    """With its country code, or with the country that is set; an extension or too few digits tell nothing."""
    assert normalize.phone(text, region) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("anna@example.com", "anna@example.com"),
        ("  Anna@EXAMPLE.Com\n", "Anna@example.com"),
        ("anna@ПРИМЕР.рф", "anna@пример.рф"),
        ("anna@xn--e1afmkfd.xn--p1ai", "anna@пример.рф"),
        ("Info@Example.com", "info@example.com"),
        ("anna", None),
        ("a@b", None),
        ("anna@example..com", None),
        ("Anna <anna@example.com>", None),
        ("anna@[127.0.0.1]", None),
        (" ", None),
        (None, None),
        ("a" * 250 + "@example.com", None),
    ],
)
def test_an_email_is_spelled_with_its_domain_in_lower_case(text: str | None, expected: str | None) -> None:
    """What stands before the @ is its owner's business; what cannot be an address has no such spelling."""
    assert normalize.email(text) == expected


def test_a_region_is_two_capital_letters() -> None:
    """Countries, not languages and not codes."""
    assert normalize.is_region("KZ")
    assert not any(map(normalize.is_region, ("", "kz", "XX", "7", "KAZ", "001")))
