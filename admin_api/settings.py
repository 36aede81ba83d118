"""The admin API's settings."""

from ipaddress import ip_network

from pydantic import Field, SecretStr, field_validator

from admin_api.http.app_context import MAX_ADMIN_BYTES
from admin_api.http.auth import Tokens, parse_tokens
from distribution.settings import SharedSettings


class AdminSettings(SharedSettings):
    """What the admin API reads from the environment."""

    admin_api_host: str = "127.0.0.1"
    admin_api_port: int = Field(default=8000, ge=0, le=65535)
    admin_api_tokens: SecretStr = SecretStr("")
    admin_api_max_connections: int = Field(default=1000, ge=8, le=100_000)
    admin_api_max_body_bytes: int = Field(default=MAX_ADMIN_BYTES, ge=64 * 1024, le=64 * 1024 * 1024)
    admin_api_trusted_proxies: str = ""
    metrics_public: bool = False

    @field_validator("admin_api_tokens")
    @classmethod
    def _well_formed(cls, value: SecretStr) -> SecretStr:
        parse_tokens(value.get_secret_value())
        return value

    @field_validator("admin_api_trusted_proxies")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for part in value.split(",") if value else ():
            try:
                ip_network(part.strip())
            except ValueError:
                raise ValueError(
                    f"{part.strip()!r} is neither an IP address nor a network such as 10.0.0.0/8"
                ) from None
        return value

    @property
    def tokens(self) -> Tokens:
        """The known tokens, each with its role."""
        return parse_tokens(self.admin_api_tokens.get_secret_value())
