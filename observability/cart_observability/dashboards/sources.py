"""The data sources of grafana/provisioning/datasources; their uids are fixed, so no dashboard asks for one."""

from typing import Final

from grafana_foundation_sdk.models.dashboard import DataSourceRef

PROMETHEUS: Final = DataSourceRef(type_val="prometheus", uid="prometheus")
TEMPO: Final = DataSourceRef(type_val="tempo", uid="tempo")
ELASTICSEARCH: Final = DataSourceRef(type_val="elasticsearch", uid="elasticsearch")
