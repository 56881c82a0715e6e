-- One row per incident, at its newest version. Identity: environment, id; the highest version stays. `body` is the whole
-- incident as JSON.
CREATE TABLE incidents (
  environment LowCardinality(String),
  id String,
  version UInt32,
  state LowCardinality(String),
  severity LowCardinality(String),
  title String,
  services Array(LowCardinality(String)),
  cause_service LowCardinality(String),
  cause_confidence Float64,
  detected_at DateTime64(3, 'UTC'),
  updated_at DateTime64(3, 'UTC'),
  resolved_at Nullable(DateTime64(3, 'UTC')),
  body String CODEC(ZSTD(1))
) ENGINE = ReplacingMergeTree(version)
ORDER BY (environment, id)
SETTINGS non_replicated_deduplication_window = 1000;
