"""What auth says about a person is used only as far as it can be used."""

from __future__ import annotations

import pytest

from infrastructure.auth.profile import read_email, read_locale, read_name, read_zone


@pytest.mark.parametrize("value", ["vera@example.org", "a.b+c@кино.рф", "o'neil@example.org"])
def test_an_address_is_taken(value: str) -> None:
    assert read_email(value) == value


@pytest.mark.parametrize(
    "value",
    ["", "vera", "@example.org", "vera@", "a@b@c", "a@b\n", "a@b\r\nBcc: c@d", "a b@c", "a@b,c@d", "<a@b>", '"a"@b',
     "a\x00@b", "a@b\u202e", "a@\ud800", "a@" + "b" * 254, "a" * 65 + "@b",
     "=?utf-8?b?DQpCY2M6IGVAdi5ydQ==?=@evil.example", None, 5, ["a@b"]],
)  # fmt: skip
def test_what_could_break_a_header_is_no_address(value: object) -> None:
    assert read_email(value) is None


@pytest.mark.parametrize(("value", "name"), [(" Вера Павловна ", "Вера Павловна"), ("O\u2019Neil", "O\u2019Neil")])
def test_a_name_is_taken(value: str, name: str) -> None:
    assert read_name(value) == name


@pytest.mark.parametrize("value", ["", "  ", "a\nb", "a\x1bb", "a\u2028b", "a\u202eb", "\ud800", "a" * 201, 5, None])
def test_what_is_not_one_line_is_no_name(value: object) -> None:
    assert read_name(value) is None


@pytest.mark.parametrize(
    ("value", "locale"),
    [("ru", "ru"), ("ru-RU", "ru"), ("en_US.UTF-8", "en"), ("EN", "en"), ("de", "ru"), ("english", "ru"),
     ("", None), ("  ", None), (None, None), (5, None)],
)  # fmt: skip
def test_a_language_is_russian_or_english_or_not_named(value: object, locale: str | None) -> None:
    assert read_locale(value) == locale


@pytest.mark.parametrize("value", ["Europe/Moscow", "Asia/Tomsk", "UTC"])
def test_a_zone_is_taken_by_its_name(value: str) -> None:
    assert read_zone(value) == value


@pytest.mark.parametrize(
    "value",
    ["", "Europe", "europe/moscow", "../../etc/passwd", "/etc/localtime", "localtime", "right/UTC", "posixrules",
     "Europe/Moscow\x00", "MSK", "+03:00", "zone.tab", "a" * 10_000, None, 3, ["UTC"]],
)  # fmt: skip
def test_what_names_no_zone_is_none(value: object) -> None:
    assert read_zone(value) is None
