"""Settings: read from the environment (prefix `BILLING_`), checked at start, never changed after.

What a variable is called and means stands in docs/operations.md. A setting left empty is unset;
in local mode the stack fills it in with a server or simulator of its own (infrastructure/local).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import parseaddr
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from domain.money import Money
from domain.rules import Rules
from jobs.durations import parse_duration

_S = TypeVar("_S", bound=BaseSettings)

LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)]
Duration = Annotated[
    timedelta, BeforeValidator(lambda given: parse_duration(given) if isinstance(given, str) else given)
]


class Environment(StrEnum):
    LOCAL = "local"
    PRODUCTION = "production"


class ClockKind(StrEnum):
    SYSTEM = "system"
    HELD = "held"


_NEEDED_IN_PRODUCTION = (
    "database_url",
    "redis_url",
    "elasticsearch_url",
    "yookassa_api_url",
    "yookassa_shop_id",
    "yookassa_secret_key",
    "smtp_url",
    "card_keys",
    "public_url",
)


_SSL_FILES = frozenset({"sslcert", "sslkey", "sslrootcert", "sslcrl"})
_POSTGRES_PARAMETERS = _SSL_FILES | {
    *("application_name", "host", "port", "dbname", "user", "password", "passfile", "service", "krbsrvname", "gsslib"),
    *("target_session_attrs", "sslmode", "sslnegotiation", "sslpassword"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
}
"""What libpq and asyncpg both understand in an address; the service speaks to Postgres by both."""
_POSTGRES_VALUES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": ("any", "primary", "standby", "read-write", "read-only", "prefer-standby"),
}


_POSTGRES = ("postgresql://", "postgres://")


class SettingsError(Exception):
    """A setting is wrong or missing; the message names it and says what was expected."""


class PanelSettings(BaseSettings):
    """What the admin panel is given, and no more: neither the payment system's secret nor the keys of cards."""

    model_config = SettingsConfigDict(env_prefix="BILLING_", env_ignore_empty=True, extra="ignore", frozen=True)

    environment: Environment = Environment.LOCAL
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    admin_port: Annotated[int, Field(ge=1, le=65535)] = 8001
    public_url: str | None = None
    account_url: str | None = None  # the cinema's page where mails and payment links lead; unset: mails have no buttons
    log_level: LogLevel = "INFO"
    database_url: str | None = None

    admin_url: str | None = None  # the panel's address as browsers see it
    admin_api_url: str | None = None
    admin_api_token: str | None = Field(default=None, repr=False)  # or the path of a file that holds it
    admin_reads_url: str | None = Field(default=None, repr=False)
    admin_secret_key: Annotated[str, Field(min_length=32)] | None = Field(default=None, repr=False)
    admin_password: str | None = Field(default=None, repr=False)  # of the first administrator, locally

    @field_validator("database_url", "admin_reads_url")
    @classmethod
    def _postgres(cls, value: str | None) -> str | None:
        if value is not None and re.match(r"postgres(?:ql)?://[^/?]*,", value):
            return value  # several hosts, which libpq knows how to read
        return _with_scheme(value, "postgresql://user:password@host:port/name", *_POSTGRES, host=False)

    @field_validator("database_url")
    @classmethod
    def _known_parameters(cls, value: str | None) -> str | None:
        for name, given in _parameters(value or ""):
            if name not in _POSTGRES_PARAMETERS:
                raise ValueError(
                    f"{name[:50]} is not known here; expected one of {', '.join(sorted(_POSTGRES_PARAMETERS))}"
                )
            expected = _POSTGRES_VALUES.get(name)
            if expected and given not in expected:
                raise ValueError(f"{name}: expected one of {', '.join(expected)}")
            if name in _SSL_FILES and not Path(given).is_file():
                raise ValueError(f"{name}: expected the path of a readable file")
        return value

    @field_validator("public_url", "admin_url", "admin_api_url")
    @classmethod
    def _web(cls, value: str | None) -> str | None:
        checked = _with_scheme(value, "http://… or https://…", "http://", "https://")
        return checked.rstrip("/") if checked else None

    @field_validator("account_url")
    @classmethod
    def _page(cls, value: str | None) -> str | None:
        """As it was given, the slash at its end included: nothing is hung on to a page's path."""
        checked = _with_scheme(value, "http://… or https://…", "http://", "https://")
        if checked is not None and len(checked.split()) != 1:
            raise ValueError("expected the address of a page, http://… or https://…")
        return checked

    @property
    def base_url(self) -> str:
        """The address that goes into links, without a slash at its end."""
        return self.public_url or self._here(self.port)

    @property
    def panel_url(self) -> str:
        """Where browsers find the panel, without a slash at its end."""
        return self.admin_url or self._here(self.admin_port)

    def _here(self, port: int) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{port}"

    @property
    def production(self) -> bool:
        return self.environment is Environment.PRODUCTION

    @property
    def secrets(self) -> list[str]:
        """What no log may show, by whatever way it gets there: keys, tokens, passwords inside addresses."""
        given = (self.admin_secret_key, self.admin_password, _unless_path(self.admin_api_token))
        return [secret for secret in given if secret] + _passwords(self.database_url, self.admin_reads_url)


class Settings(PanelSettings):
    home_dir: Path = Path(__file__).resolve().parent / ".local"
    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = None  # of the worker, which has no other

    redis_url: str | None = None
    elasticsearch_url: str | None = None  # "none": history is read from Postgres
    history_shards: Annotated[int, Field(ge=1, le=64)] = 1  # of each month's index

    yookassa_api_url: str | None = None
    yookassa_shop_id: str | None = None
    yookassa_secret_key: str | None = Field(default=None, repr=False)
    yookassa_check_sender: bool = False
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()

    auth_public_key: str | None = None
    auth_jwks_url: str | None = None
    auth_issuer: str | None = None
    auth_audience: str | None = None
    auth_api_url: str | None = None
    auth_api_token: str | None = Field(default=None, repr=False)  # or the path of a file that holds it

    support_contact: str | None = None  # an address or page that mails name; unset: they only speak of support
    smtp_url: str | None = None
    mail_from: str = "Cinema <billing@localhost>"

    card_keys: str | None = Field(default=None, repr=False)
    clock: ClockKind = ClockKind.SYSTEM

    payment_deadline_s: Annotated[float, Field(gt=0, le=15)] = 10.0
    """How long a person waits for a payment system's answer before 202; leases and callers wait twice that at least."""

    # The numbers of the rules; what each means stands in domain/rules.py.
    grace: Duration = Rules().grace
    reminder: Duration = Rules().reminder
    full_refund: Duration = Rules().full_refund
    least_left_after_refund: Annotated[str, Field(pattern=r"^[0-9]{1,6}\.[0-9]{2}$")] = "1.00"
    retries: Annotated[tuple[Duration, ...], NoDecode, Field(min_length=1, max_length=20)] = Rules().retries
    few_retries: Annotated[int, Field(ge=0)] = Rules().few_retries
    patience_after_asking: Duration = Rules().patience_after_asking

    @field_validator("retries", mode="before")
    @classmethod
    def _split_retries(cls, value: Any) -> Any:
        return tuple(value.split(",")) if isinstance(value, str) else value

    @field_validator("retries")
    @classmethod
    def _one_after_the_other(cls, value: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("expected instants after the first failure, each later than the one before, like 1d,3d,5d")
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            try:
                ipaddress.ip_network(proxy)
            except ValueError:
                raise ValueError(f"expected addresses like 10.0.0.1 or networks like 10.0.0.0/8, not {proxy}") from None
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"/?|/\d{1,5}", urlsplit(value).path):
            raise ValueError("expected a number behind the slash: redis://host:port/0")
        return _with_scheme(value, "redis://[user:password@]host:port/0", "redis://", "rediss://")

    @field_validator("elasticsearch_url")
    @classmethod
    def _elasticsearch(cls, value: str | None) -> str | None:
        return value if value == "none" else _with_scheme(value, "http://host:port or none", "http://", "https://")

    @field_validator("yookassa_api_url", "auth_jwks_url", "auth_api_url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        checked = _with_scheme(value, "http://… or https://…", "http://", "https://")
        return checked.rstrip("/") if checked else None

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, value: str | None) -> str | None:
        return _with_scheme(value, "smtp://[user:password@]host:port", "smtp://")

    @field_validator("mail_from")
    @classmethod
    def _sender(cls, value: str) -> str:
        if not re.fullmatch(r"[^\s@<>]+@[^\s@<>]+", parseaddr(value)[1]):
            raise ValueError("expected an address, also with a name: Cinema <billing@example.org>")
        return value

    @field_validator("auth_public_key")
    @classmethod
    def _from_anywhere(cls, value: str | None) -> str | None:
        """The parts of the stack work in other folders than the one in which a path was given."""
        return value if value is None or "-----BEGIN" in value else str(Path(value).absolute())

    @field_validator("support_contact")
    @classmethod
    def _contact(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/]+\S*|[^\s@<>:]+@[^\s@<>:]+", value):
            raise ValueError("expected an address like help@example.org, or a page, https://…")
        return value

    @field_validator("card_keys")
    @classmethod
    def _keys(cls, value: str | None) -> str | None:
        if value is not None:
            parse_card_keys(value)
        return value

    @model_validator(mode="after")
    def _fit_for_production(self) -> Self:
        if self.environment is not Environment.PRODUCTION:
            return self
        missing = [name for name in _NEEDED_IN_PRODUCTION if getattr(self, name) is None]
        wrong = [f"BILLING_{name.upper()}: production needs it, nothing is built in" for name in missing]
        if self.clock is not ClockKind.SYSTEM:
            wrong.append("BILLING_CLOCK: production runs on the system clock")
        if self.auth_public_key is None and self.auth_jwks_url is None:
            wrong.append("BILLING_AUTH_PUBLIC_KEY or BILLING_AUTH_JWKS_URL: production needs one of them")
        if not self.yookassa_check_sender:
            wrong.append("BILLING_YOOKASSA_CHECK_SENDER: production checks who sends notifications; set it to true")
        if wrong:
            raise ValueError("\n".join(wrong))
        return self

    @property
    def secrets(self) -> list[str]:
        given = (self.yookassa_secret_key, _unless_path(self.auth_api_token))
        keys = [pair.partition(":")[2] for pair in (self.card_keys or "").split(",")]
        addresses = _passwords(self.redis_url, self.elasticsearch_url, self.smtp_url)
        return super().secrets + [secret for secret in (*given, *keys) if secret] + addresses

    @property
    def rules(self) -> Rules:
        return Rules(
            grace=self.grace,
            reminder=self.reminder,
            full_refund=self.full_refund,
            least_left_after_refund=Money.parse(self.least_left_after_refund).minor,
            retries=self.retries,
            few_retries=self.few_retries,
            patience_after_asking=self.patience_after_asking,
        )


def parse_card_keys(text: str) -> list[tuple[str, bytes]]:
    """`id:base64,id:base64` → keys of 32 bytes with their ids, the first of which encrypts."""
    keys: list[tuple[str, bytes]] = []
    for pair in text.split(","):
        key_id, colon, encoded = pair.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not (0 < len(key_id.encode()) <= 32 and colon and len(key) == 32):
            raise ValueError("expected id:key pairs, comma-separated, each id 32 bytes at most, each key 32 in base64")
        keys.append((key_id, key))
    if len({key_id for key_id, _ in keys}) != len(keys):
        raise ValueError("each key needs an id of its own")
    return keys


def load(**overrides: Any) -> Settings:
    """Read the settings; raises SettingsError naming each variable that is wrong."""
    return _read(Settings, overrides)


def load_or_exit() -> Settings:
    """As `load`, for a process that can do nothing without."""
    with or_exit():
        return load()


@contextmanager
def or_exit() -> Iterator[None]:
    """A process that lacks a setting, or finds it unusable, says which one and ends with status 2."""
    try:
        yield
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 -- how to log may be one of the things that are not known
        sys.exit(2)


def needed(value: str | None, name: str) -> str:
    """The setting's value; raises SettingsError where it is not set."""
    if not value:
        raise SettingsError(f"BILLING_{name}: it is needed here; `billing run` fills it in locally")
    return value


def load_panel(*, serving: bool = False) -> PanelSettings:
    """Read what the admin panel needs; raises SettingsError naming each variable that is wrong or missing.

    `serving`: with what it needs to be reached and to reach the API, beside what its own tables need.
    """
    given = _read(PanelSettings, {})
    wanted = ["database_url", "admin_secret_key"]
    if given.production and serving:
        wanted += ["admin_url", "admin_api_url", "admin_api_token"]
    if given.production and given.admin_password is not None:
        raise SettingsError("BILLING_ADMIN_PASSWORD: production has no built-in administrator; see docs/operations.md")
    missing = [f"BILLING_{name.upper()}: the admin panel needs it" for name in wanted if getattr(given, name) is None]
    if missing:
        raise SettingsError("\n".join(missing))
    return given


def _read(kind: type[_S], given: dict[str, Any]) -> _S:
    try:
        return kind(**given)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = "BILLING_" + "_".join(str(part) for part in problem["loc"]).upper() if problem["loc"] else ""
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{name}: {message}" if name else message)
        raise SettingsError("\n".join(lines)) from None


def _unless_path(token: str | None) -> str | None:
    """A token may be given as the file that holds it, which is no secret."""
    return None if token is None or "/" in token else token


def _passwords(*addresses: str | None) -> list[str]:
    """As they are written and as they are meant, where `%40` stands for `@`. One that repeats the user is none."""
    parts = [urlsplit(address) for address in addresses if address]
    written = [part.password for part in parts if part.password and part.password != part.username]
    pairs = [pair.partition("=") for part in parts for pair in part.query.split("&")]
    written += [given for name, _, given in pairs if given and name in ("password", "sslpassword")]
    return [*written, *(unquote(password) for password in written)]


def _parameters(address: str) -> list[tuple[str, str]]:
    """What stands behind the `?` of an address; raises ValueError where it can't be read."""
    query = urlsplit(address).query
    try:
        return parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise ValueError("expected name=value pairs behind the question mark, with & between them") from None


def _with_scheme(value: str | None, expected: str, *schemes: str, host: bool = True) -> str | None:
    """An address with a host that can be reached; raises ValueError. `host`: False where it may be left out."""
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        usable = value.startswith(schemes) and parts.port != 0 and (bool(parts.hostname) or not host)
    except ValueError:  # a port that is no number, brackets that are left open
        usable = False
    if not usable:
        raise ValueError(f"expected {expected}")
    return value
