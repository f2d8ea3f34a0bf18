"""Makes the pages of docs/reference/ from the code (`make docs`), and the OpenAPI document for type checks."""
