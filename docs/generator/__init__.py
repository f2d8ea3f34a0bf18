"""Makes from the code what the documentation and the dashboard's type checker must not get wrong: `make docs`."""
