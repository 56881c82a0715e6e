-- One row per series and window. Identity: environment, series, start.
-- Writing twice is harmless: a replayed row replaces its equal.
CREATE TABLE IF NOT EXISTS metric_summaries (
  environment LowCardinality(String),
  service LowCardinality(String),
  metric LowCardinality(String),
  -- Hash of environment, service, metric, labels.
  series String,
  unit LowCardinality(String),
  labels Map(LowCardinality(String), String),
  start DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  end DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  -- Points in the window. Counters and deltas are rates per second.
  count Float64,
  mean Float64 CODEC(ZSTD),
  deviation Float64 CODEC(ZSTD),
  min Float64 CODEC(ZSTD),
  max Float64 CODEC(ZSTD),
  p50 Float64 CODEC(ZSTD),
  p95 Float64 CODEC(ZSTD),
  last Float64 CODEC(ZSTD)
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(start)
ORDER BY (environment, series, start);
