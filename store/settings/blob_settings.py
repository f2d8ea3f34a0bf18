"""The settings of the store of artifacts and checkpoints."""

from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from store.object_store import ObjectStore, S3Address, parse_address


class BlobSettings(BaseSettings):
    """Where artifacts and checkpoints are. The keys have names of their own: an engine sees the variables AWS_*, for
    the datasets that it reads, and must not be able to write results."""

    blob_store: str = Field(
        "database", description="where artifacts and checkpoints go: database, or s3://bucket/prefix"
    )
    blob_endpoint: str | None = Field(
        None, description="URL of the S3-compatible store, such as https://s3.example.org; none: Amazon's"
    )
    blob_region: str = Field("us-east-1", description="region of the bucket")
    blob_access_key_id: SecretStr | None = Field(
        None, description="of the store; none: what boto3 finds, such as the role of the machine"
    )
    blob_secret_access_key: SecretStr | None = Field(None, description="of the store")
    blob_downloads: Literal["stream", "redirect"] = Field(
        "stream",
        description="stream: the API sends the bytes; redirect: it sends clients to the store, with an address that is "
        "signed and expires",
    )
    blob_public_endpoint: str | None = Field(
        None, description="URL by which clients reach the store; none: the same as blob_endpoint"
    )
    blob_redirect_seconds: int = Field(300, ge=1, le=604_800, description="a signed address is good for so long")

    @field_validator("blob_store")
    @classmethod
    def _is_a_place(cls, value: str) -> str:
        if value != "database":
            parse_address(value)
        return value

    @field_validator(
        "blob_endpoint", "blob_public_endpoint", "blob_access_key_id", "blob_secret_access_key", mode="before"
    )
    @classmethod
    def _unset_where_empty(cls, value: Any) -> Any:
        return None if value == "" else value

    @model_validator(mode="after")
    def _both_keys_or_none(self) -> Self:
        if (self.blob_access_key_id is None) != (self.blob_secret_access_key is None):
            raise ValueError(
                "RETORT_BLOB_ACCESS_KEY_ID and RETORT_BLOB_SECRET_ACCESS_KEY go together: set both or none"
            )
        return self

    def object_store(self) -> ObjectStore | None:
        """The store of artifacts and checkpoints; None where that is the database."""
        if self.blob_store == "database":
            return None
        bucket, prefix = parse_address(self.blob_store)
        key, secret = self.blob_access_key_id, self.blob_secret_access_key
        address = S3Address(
            bucket=bucket,
            prefix=prefix,
            endpoint=self.blob_endpoint,
            public_endpoint=self.blob_public_endpoint,
            region=self.blob_region,
            access_key_id=key.get_secret_value() if key else None,
            secret_access_key=secret.get_secret_value() if secret else None,
        )
        redirects = self.blob_downloads == "redirect"
        return ObjectStore(address, redirect_seconds=self.blob_redirect_seconds if redirects else None)
