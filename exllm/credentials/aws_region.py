"""The region that a profile names in AWS's shared files, without botocore: addresses need it before anything is sent.

Source: https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
"""

from __future__ import annotations

import configparser
import os
import shlex
from functools import lru_cache


def profile_region(profile: str | None) -> str | None:
    """The region of `profile`, or of the one that the environment chooses; None where it names none.

    The files are read when they changed. What cannot be read names no region.
    """
    name = profile or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "default"
    sections = (f"profile {name}", name) if name != "default" else ("profile default", "default")
    return _region_in("AWS_CONFIG_FILE", "~/.aws/config", sections) or _region_in(
        "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", (name,)
    )


def _region_in(variable: str, usual_path: str, sections: tuple[str, ...]) -> str | None:
    path = os.path.expanduser(os.environ.get(variable) or usual_path)
    try:
        facts = os.stat(path)
    except OSError:
        return None
    regions = _regions(path, facts.st_mtime_ns, facts.st_size)
    return next((regions[section] for section in sections if section in regions), None)


@lru_cache(8)
def _regions(path: str, _changed_ns: int, _size: int) -> dict[str, str]:
    """The region of each section of the file that has one."""
    parser = configparser.RawConfigParser(default_section="", strict=False)
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except (OSError, UnicodeDecodeError, configparser.Error):
        return {}
    return {_unquoted(name): parser[name]["region"] for name in parser.sections() if parser[name].get("region")}


def _unquoted(section: str) -> str:
    """A name with a space in it is written in quotes."""
    try:
        return " ".join(shlex.split(section))
    except ValueError:
        return section
