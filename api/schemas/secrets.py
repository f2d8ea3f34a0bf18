"""The JSON of secrets: a value goes in and never comes out."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from store.secrets import MAX_CHARACTERS


class NewSecret(BaseModel):
    """The value of a secret."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    value: str = Field(
        min_length=1,
        max_length=MAX_CHARACTERS,
        pattern=r"\S",
        repr=False,
        description="a URI with its credentials, or what opens one: `user:password`, an Authorization header's value, "
        "`key:secret` of S3, the JSON of a Google service account, a token of Hugging Face",
    )


class SecretView(BaseModel):
    """A stored secret, without its value."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(description="jobs name it as secret://name")
    created_at: datetime
    updated_at: datetime = Field(description="when its value was last stored")


class SecretList(BaseModel):
    """All secrets of the caller's tenant, by name."""

    data: list[SecretView]
