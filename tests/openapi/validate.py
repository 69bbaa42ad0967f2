"""Validates an OpenAPI document, and JSON values against the schemas in it.

The values are a list of objects: `schema` is the name of one in the document, `value` what to check, and `fits` whether
it has to fit.
"""

import json
import pathlib
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator


def complain(what):
    print(f"openapi: {what}", file=sys.stderr)


def schemas_of(value, found):
    """All schemas, also those in parameters and bodies: each has to be one on its own."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "schema":
                found.append(inner)
            else:
                schemas_of(inner, found)
    elif isinstance(value, list):
        for inner in value:
            schemas_of(inner, found)


def main():
    document = json.loads(pathlib.Path(sys.argv[1]).read_text())
    values = json.loads(pathlib.Path(sys.argv[2]).read_text()) if len(sys.argv) > 2 else []
    wrong = 0
    for error in OpenAPIV31SpecValidator(document).iter_errors():
        complain(f"{'/'.join(map(str, error.absolute_path))}: {error.message}")
        wrong += 1
    schemas = list(document["components"]["schemas"].values())
    schemas_of(document["paths"], schemas)
    for schema in schemas:
        Draft202012Validator.check_schema(schema)
    for case in values:
        schema = {"$ref": f"#/components/schemas/{case['schema']}", "components": document["components"]}
        errors = [error.message for error in Draft202012Validator(schema).iter_errors(case["value"])]
        if case["fits"] == bool(errors):
            complain(f"{case['schema']}: {case['value']}: {errors or 'fits, and should not'}")
            wrong += 1
    if wrong:
        sys.exit(1)
    print(f"openapi: {len(document['paths'])} paths, {len(schemas)} schemas and {len(values)} values are valid")


main()
