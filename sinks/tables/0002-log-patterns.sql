-- One row per log pattern, at its newest version. Identity: environment, service, pattern; the highest version stays.
CREATE TABLE log_patterns (
  environment LowCardinality(String),
  service LowCardinality(String),
  pattern String,
  version UInt32,
  template String,
  severity UInt8,
  example String,
  first_seen DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(version)
ORDER BY (environment, service, pattern)
SETTINGS non_replicated_deduplication_window = 1000;
