-- Lines of a pattern in a window. Identity: environment, service, pattern, severity, start; a replay counts the same.
CREATE TABLE log_counts (
  environment LowCardinality(String),
  service LowCardinality(String),
  pattern String,
  severity UInt8,
  start DateTime64(3, 'UTC'),
  end DateTime64(3, 'UTC'),
  count UInt64
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(start)
ORDER BY (environment, service, pattern, severity, start)
SETTINGS non_replicated_deduplication_window = 1000;
