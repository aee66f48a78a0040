"""Print the lower bound of every core dependency as `name==version`, one a line: pip constraints for `make oldest`."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
for requirement in project["dependencies"]:
    match = re.match(r"([A-Za-z0-9._-]+)>=([0-9.]+)", requirement)
    if match is None:
        message = f"Every core dependency needs a lower bound `name>=version`; got {requirement!r} in pyproject.toml."
        raise SystemExit(message)
    print(f"{match[1]}=={match[2]}")
