"""`python -m docs.generator.openapi FILE`: writes the API's OpenAPI document, without a running server."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from api.app import create_app
from store.database import open_database
from store.settings import Settings


def openapi_document() -> dict[str, Any]:
    """The document that GET /openapi.json answers with. No row is read: the database file stays empty."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/empty.db")
        try:
            return create_app(Settings(), database, quiet=True).openapi()
        finally:
            database.close()


def main(arguments: list[str]) -> None:
    """Writes the document into the file that is named."""
    (name,) = arguments
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(openapi_document(), indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
