-- Every version of every incident: its timeline. Identity: environment, incident, version.
CREATE TABLE incident_events (
  environment LowCardinality(String),
  incident String,
  version UInt32,
  at DateTime64(3, 'UTC'),
  change LowCardinality(String),
  state LowCardinality(String),
  text String,
  body String CODEC(ZSTD(1))
) ENGINE = ReplacingMergeTree
ORDER BY (environment, incident, version)
SETTINGS non_replicated_deduplication_window = 1000;
