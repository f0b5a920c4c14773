"""Log lines in Elasticsearch: the templates of their indices, the client, and the shipper of log files."""
