"""What the page says of a trace that is too large to be shown."""

import pytest

from support.page_modules import told


@pytest.mark.parametrize(
    ("shown", "left_out", "said"), [(1, 0, "1 span"), (7, 0, "7 spans"), (2_000, 3_000, "2,000 of 5,000 spans")]
)
def test_amount(shown: int, left_out: int, said: str) -> None:
    """Of a trace of which some spans are left out it is said how many it has."""
    assert said == told("waterfall/amount.js", "amount", {"spans": [{}] * shown, "left_out": left_out})
