"""`python -m cart_platform` is the program `cartscope`."""

from cart_platform.cli import main

main()
