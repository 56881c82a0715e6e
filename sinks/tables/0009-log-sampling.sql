-- A stretch of time of a service of which log_lines has only a sample. Identity: environment, service, start.
-- Writing twice is harmless: a replayed row replaces its equal.
CREATE TABLE IF NOT EXISTS log_sampling (
  environment LowCardinality(String),
  service LowCardinality(String),
  start DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  end DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  -- Lines below error severity that there were, and those that are in log_lines.
  lines UInt64,
  kept UInt64,
  -- The same at error severity and above.
  errors UInt64,
  errors_kept UInt64,
  written_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(start)
ORDER BY (environment, service, start);
