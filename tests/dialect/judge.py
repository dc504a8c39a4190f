"""An independent opinion on payloads: the schema files themselves, read by `jsonschema`."""

import json
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from jsonschema import Draft6Validator

from gateway.ocpp.message import Version

_FOLDERS = {Version.V16: "v16", Version.V201: "v201", Version.V21: "v21"}


@cache
def validator(version: Version, action: str, is_call: bool) -> Draft6Validator:
    folder = Path(str(distribution("ocpp").locate_file(f"ocpp/{_FOLDERS[version]}/schemas")))
    suffix = (
        "Response"
        if not is_call
        else ""
        if version is Version.V16 or action == "NotifyPeriodicEventStream"
        else "Request"
    )
    tree = json.loads((folder / f"{action}{suffix}.json").read_text("utf-8-sig"))
    _without_steps(tree)
    return Draft6Validator(tree)


def _without_steps(tree: Any) -> None:
    """`multipleOf: 0.1` cannot be judged in binary floats, which is what the validator does."""
    if isinstance(tree, dict):
        tree.pop("multipleOf", None)
        for member in tree.values():
            _without_steps(member)


def fits(version: Version, action: str, is_call: bool, payload: Any) -> bool:
    return validator(version, action, is_call).is_valid(payload)
