-- The score of one signal in one window. Identity: environment, id; the window's end follows from the id.
-- Writing twice is harmless: the id is a hash of signal and window, so a replayed row replaces its equal.
CREATE TABLE IF NOT EXISTS anomalies (
  environment LowCardinality(String),
  id String,
  service LowCardinality(String),
  -- The series or pattern it is in; equal across windows.
  signal String,
  -- metric, log or rule.
  kind LowCardinality(String),
  subject String,
  labels Map(LowCardinality(String), String),
  start DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  end DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  -- Below 1 is normal, 1 and above is anomalous.
  score Float64,
  value Float64,
  unit LowCardinality(String),
  yhat Nullable(Float64),
  lower Nullable(Float64),
  upper Nullable(Float64),
  -- above, below, new or both.
  direction LowCardinality(String),
  voters Array(Tuple(name String, score Float64, why String)),
  why String,
  model LowCardinality(String),
  -- Name of the static rule that watches the signal; empty: none.
  rule LowCardinality(String),
  -- The whole anomaly as JSON.
  body String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(end)
ORDER BY (environment, end, id);
