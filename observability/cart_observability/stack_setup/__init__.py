"""The set-up of the stack: what Elasticsearch and Kibana need before anybody looks. Done again, it changes nothing."""
