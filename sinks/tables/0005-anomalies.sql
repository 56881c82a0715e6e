-- The score of a signal in a window: 1 and above is anomalous, below 1 it was so shortly before. Identity: environment,
-- service, start, id; the id follows from kind, signal and window. `body` is the whole of it as JSON.
CREATE TABLE anomalies (
  environment LowCardinality(String),
  service LowCardinality(String),
  id String,
  kind LowCardinality(String),
  signal String,
  subject String,
  start DateTime64(3, 'UTC'),
  end DateTime64(3, 'UTC'),
  score Float64,
  value Float64,
  unit LowCardinality(String),
  why String,
  model LowCardinality(String),
  body String CODEC(ZSTD(1))
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(start)
ORDER BY (environment, service, start, id)
SETTINGS non_replicated_deduplication_window = 1000;
