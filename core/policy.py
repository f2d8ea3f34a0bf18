"""What an operator allows an engine process: where it may read, how much it may take. The job's author has no say in
it.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

GiB = 1024**3


class Policy(BaseModel):
    """Limits of one engine process. The defaults suit one person's own machine; a shared service narrows them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file_roots: tuple[Path, ...] = Field(
        (Path("/"),), description="folders that file: URIs may read below; none: no file: at all"
    )
    private_addresses: bool = Field(True, description="whether http(s) may reach loopback and private addresses")
    pickled_weights: bool = Field(
        True, description="whether teachers may be state dicts in pickle form (read under weights_only)"
    )
    max_download_bytes: int = Field(200 * GiB, description="per URI")
    max_extracted_bytes: int = Field(200 * GiB, description="per archive, counted as written")
    max_archive_entries: int = Field(2_000_000, description="per archive")
    max_compression_ratio: float = Field(
        200.0, description="bytes written over bytes read of an archive, beyond the first 64 MiB"
    )
    max_image_pixels: int = Field(50_000_000, description="per image")
    max_resident_bytes: int = Field(64 << 20, description="decoded images beyond this stay in a file of the cache")
    max_teacher_pass_bytes: int = Field(
        20 * GiB, description="stored teacher passes in the cache, all together; the longest unused go first"
    )
    num_threads: int | None = Field(None, description="CPU threads of the engine; null: all that the process may use")
