"""The admin API's settings."""

from pydantic import Field, SecretStr, field_validator

from admin_api.auth import Tokens, parse_tokens
from distribution.settings import SharedSettings


class AdminSettings(SharedSettings):
    """What the admin API reads from the environment."""

    admin_api_host: str = "127.0.0.1"
    admin_api_port: int = Field(default=8000, ge=0, le=65535)
    admin_api_tokens: SecretStr = SecretStr("")
    metrics_public: bool = False

    @field_validator("admin_api_tokens")
    @classmethod
    def _well_formed(cls, value: SecretStr) -> SecretStr:
        parse_tokens(value.get_secret_value())
        return value

    @property
    def tokens(self) -> Tokens:
        """Who may ask for what."""
        return parse_tokens(self.admin_api_tokens.get_secret_value())
