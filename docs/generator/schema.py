"""JSON Schemas in words: the type of a field, its limits, and a table of all fields of an object."""

from collections.abc import Iterator
from typing import Any

from docs.generator.markdown import cell, code, table, value

Schema = dict[str, Any]
LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "maxProperties": "at most {} entries",
}


def fields_table(schema: Schema, *, leave_out: tuple[str, ...] = ()) -> list[str]:
    """One row a field of an object's schema: name, type, default, meaning. Required fields have no default."""
    required = schema.get("required", [])
    rows = [
        [
            code(name),
            type_words(field),
            "required" if name in required else default_of(field),
            cell(field.get("description", "")),
        ]
        for name, field in schema.get("properties", {}).items()
        if name not in leave_out
    ]
    return table(["field", "type", "default", "meaning"], rows) if rows else ["No fields."]


def default_of(field: Schema) -> str:
    """The default as code; of an object that has defaults of its own, only that it is an object."""
    if "default" not in field:
        return ""
    default = field["default"]
    return "`{...}`" if isinstance(default, dict) and default else value(default)


def type_words(schema: Schema) -> str:
    """The type with its limits, as a cell of a table: "integer (at least 1) or `auto`"."""
    words = list(dict.fromkeys(_alternatives(schema)))
    return " or ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + f" or {words[-1]}"


def _alternatives(schema: Schema) -> Iterator[str]:
    for key in ("anyOf", "oneOf"):
        for alternative in schema.get(key, ()):
            yield from _alternatives(alternative)
    if "anyOf" in schema or "oneOf" in schema:
        return
    if "$ref" in schema:
        yield reference(schema["$ref"])
    elif "allOf" in schema:
        yield from _alternatives(schema["allOf"][0])
    elif "const" in schema:
        yield value(schema["const"])
    elif "enum" in schema:
        yield from (value(one) for one in schema["enum"])
    else:
        yield _plain(schema)


def _plain(schema: Schema) -> str:
    kind = schema.get("type", "any value")
    if kind == "array":
        kind = f"list of {type_words(schema['items'])}" if schema.get("items") else "list"
        if "prefixItems" in schema:
            kind = f"[{', '.join(type_words(one) for one in schema['prefixItems'])}]"
    elif kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        kind = f"object of {type_words(schema['additionalProperties'])}"
    elif kind == "string" and "format" in schema:
        kind = schema["format"]
    limits = [words.format(schema[key]) for key, words in LIMITS.items() if key in schema]
    return f"{kind} ({', '.join(limits)})" if limits else kind


def reference(target: str) -> str:
    """A link to the section that describes the object."""
    name = target.rpartition("/")[2]
    return f"[{name}](#{name.lower()})"
