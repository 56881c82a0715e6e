-- One series in one window. Identity: environment, service, metric, series, start; a replay sums up to the same.
CREATE TABLE metric_summaries (
  environment LowCardinality(String),
  service LowCardinality(String),
  metric LowCardinality(String),
  series String,
  unit LowCardinality(String),
  labels Map(LowCardinality(String), String),
  start DateTime64(3, 'UTC'),
  end DateTime64(3, 'UTC'),
  count Float64,
  mean Float64,
  deviation Float64,
  min Float64,
  max Float64,
  p50 Float64,
  p95 Float64,
  last Float64
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(start)
ORDER BY (environment, service, metric, series, start)
SETTINGS non_replicated_deduplication_window = 1000;
