"""Grafana dashboards as code, in the classic schema.

`python -m cart_observability.dashboards grafana/dashboards` writes one file for each; edit the code, never the files.
Needs grafana-foundation-sdk, which only who makes dashboards has installed.
"""
