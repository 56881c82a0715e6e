-- One row per log pattern as it stands. Identity: environment, service, pattern.
-- Writing twice is harmless: the row of the highest version wins, and equal versions are equal rows.
CREATE TABLE IF NOT EXISTS log_patterns (
  environment LowCardinality(String),
  service LowCardinality(String),
  -- Hash of environment, service and the text it was born with.
  pattern String,
  -- Grows as the text widens.
  version UInt32,
  -- Variable places are <*>.
  template String CODEC(ZSTD(3)),
  example String CODEC(ZSTD(3)),
  severity UInt8,
  first_seen DateTime64(3, 'UTC'),
  -- The pattern that has taken this one's place, and whose text is the text of its lines; empty: it stands for itself.
  merged_into String
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (environment, service, pattern);

-- How many lines of a pattern a window held. Identity: environment, service, pattern, start.
-- Writing twice is harmless: a replayed row replaces its equal.
CREATE TABLE IF NOT EXISTS log_counts (
  environment LowCardinality(String),
  service LowCardinality(String),
  pattern String,
  start DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  end DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  severity UInt8,
  count UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(start)
ORDER BY (environment, service, pattern, start);
