"""Make the bucket of the object store where it is not there: what `python -m store.make_bucket` does."""

from store.database import open_from
from store.settings import Settings


def main() -> int:
    """Nothing to do where blobs are in the database. Raises BlobStoreAway, BlobStoreRefused."""
    database = open_from(Settings.load())
    if database.objects is None:
        print("blobs are in the database")
    elif database.objects.make_bucket():
        print(f"made the bucket of {database.objects.address}")
    else:
        print(f"the bucket of {database.objects.address} is there")
    database.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
