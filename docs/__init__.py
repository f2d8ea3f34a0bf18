"""The documentation. Its only code is `docs.generator`, which makes the reference pages."""
