"""Kibana's objects as code: data views, Discover sessions and a dashboard, written to elk/kibana/cartscope.ndjson.

Every shape is that of an object which a Kibana of the line 9.4 exported (2026-04), found in elastic/integrations below
`packages/elasticsearch/kibana/`: `dashboard/elasticsearch-query-analytics-dashboard.json`,
`search/elasticsearch-5df8f5ab-0459-4c89-95b4-3b3d235386bd.json`, `index_pattern/elasticsearch-querylog-dataview.json`.
Kibana before 9.4 does not read these panels (`vis`, `discover_session`, `markdown`, `pinned_panels`).
"""
