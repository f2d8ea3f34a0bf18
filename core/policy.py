"""The limits that an operator sets for an engine process: what it may read and how much it may use. A job cannot change
them.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

GiB = 1024**3


class Policy(BaseModel):
    """Limits of one engine process. The defaults are for one person's own machine; a shared service should set lower
    ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file_roots: tuple[Path, ...] = Field(
        (Path("/"),), description="folders below which file: URIs may read; empty: no file: URIs"
    )
    private_addresses: bool = Field(True, description="whether http(s) may reach loopback and private addresses")
    download_ports: tuple[int, ...] = Field(
        (80, 443), description="ports that http(s) may reach where private addresses are refused"
    )
    max_download_seconds: float = Field(
        6 * 3600.0, description="for one http(s) transfer with its redirects, and for one from s3, gs or hf"
    )
    network_after_inputs: bool = Field(
        False, description="whether an engine of a worker keeps the network once its inputs are there"
    )
    pickled_weights: bool = Field(
        True, description="whether teachers may be pickled state dicts (read with weights_only)"
    )
    max_download_bytes: int = Field(200 * GiB, description="per URI")
    max_extracted_bytes: int = Field(200 * GiB, description="per archive, counted as written")
    max_archive_entries: int = Field(
        2_000_000, description="per dataset: files and folders, and the images of files that hold many"
    )
    max_table_rows: int = Field(8_000_000, description="per dataset: rows of its tables and lines of its lists")
    max_reading_bytes: int = Field(
        GiB, description="per dataset: memory for tables, lists, label columns and arrays, estimated before it is used"
    )
    max_reading_seconds: float = Field(
        3600.0, description="per dataset: from its first byte to the list of its images; decoding comes after"
    )
    max_compression_ratio: float = Field(
        200.0, description="unpacked bytes for one byte of an archive, after the first 64 MiB"
    )
    max_image_pixels: int = Field(50_000_000, description="per image")
    max_resident_bytes: int = Field(
        64 << 20, description="more decoded images than this are kept in a file of the cache"
    )
    max_teacher_pass_bytes: int = Field(
        20 * GiB,
        description="all stored teacher passes in the cache together; the least recently used are removed first",
    )
    weights_shelf: str | None = Field(
        None,
        description="folder, or URI of a bucket, that holds published weights by architecture",
    )
    num_threads: int | None = Field(None, description="CPU threads of the engine; null: all that the process may use")
