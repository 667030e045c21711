"""What CloudEvents 1.0.2 and its JSON format demand of a structured event, as a JSON Schema of our own making."""

from __future__ import annotations

# Core, "Type System": no control characters; "Naming Conventions": lower-case letters and digits.
TEXT = {"type": "string", "minLength": 1, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"}
TIME = {"type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\d[Tt]\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?([Zz]|[+-]\\d\\d:\\d\\d)$"}

SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["id", "source", "specversion", "type"],
    "properties": {
        "id": TEXT,
        "source": TEXT | {"format": "uri-reference"},
        "specversion": {"const": "1.0"},
        "type": TEXT,
        "subject": TEXT,
        "time": TIME,
        "datacontenttype": TEXT | {"pattern": "^[^/ ]+/[^/ ]+"},
        "dataschema": TEXT | {"format": "uri"},
        "data": True,
        "data_base64": {"type": "string", "contentEncoding": "base64"},
        "recordedtime": TIME,
        "sequence": TEXT | {"pattern": "^\\d{20}$"},
        "partitionkey": TEXT,
    },
    "patternProperties": {
        "^(?!(data|data_base64)$)": {
            "anyOf": [
                {"type": "boolean"},
                {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
                {"type": "string", "minLength": 1},
            ]
        }
    },
    "propertyNames": {"anyOf": [{"const": "data_base64"}, {"pattern": "^[a-z0-9]{1,20}$"}]},
    "not": {"required": ["data", "data_base64"]},
}
