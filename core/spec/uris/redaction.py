"""URIs as messages and stored facts may show them."""


def redacted(uri: str) -> str:
    """`uri` without what may be secret: user information, and the values of its query."""
    if uri.startswith("file:"):
        return uri
    address, question, query = uri.partition("#")[0].partition("?")
    scheme, slashes, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    address = scheme + slashes + host.rpartition("@")[2] + slash + path
    return address + question + "&".join(f"{pair.partition('=')[0]}=..." for pair in query.split("&") if pair)
