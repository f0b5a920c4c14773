"""Print the objects as an import takes them: `python -m cart_observability.kibana > elk/kibana/cartscope.ndjson`."""

import sys

from cart_observability.kibana import objects

sys.stdout.write(objects.ndjson())
