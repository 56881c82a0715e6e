-- What people told the system: every record of the topic ops.controls. Identity: id, offset.
-- Writing twice is harmless: a replayed row replaces its equal.
-- Of an id the row of the highest offset is how it stands; it held in [valid_from, valid_to).
CREATE TABLE IF NOT EXISTS controls (
  id String,
  -- Place of the record in the topic.
  offset UInt64,
  -- silence, pause, trust or services.
  type LowCardinality(String),
  -- Empty: all of them.
  environment LowCardinality(String),
  service LowCardinality(String),
  by String,
  reason String CODEC(ZSTD(3)),
  at DateTime64(3, 'UTC'),
  valid_from DateTime64(3, 'UTC'),
  -- Null: until it is removed.
  valid_to Nullable(DateTime64(3, 'UTC')),
  -- The whole control as JSON.
  body String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
ORDER BY (id, offset);

-- Why nobody was told of an anomaly: the silence that kept it from the incidents. Identity: environment, anomaly, and the
-- end of its window follows from that.
-- Writing twice is harmless: a replayed row replaces its equal.
CREATE TABLE IF NOT EXISTS suppressions (
  environment LowCardinality(String),
  -- Id in the table anomalies.
  anomaly String,
  service LowCardinality(String),
  signal String,
  subject String,
  -- End of the window.
  end DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
  score Float64,
  -- Id in the table controls, and who said it, why.
  silence String,
  by String,
  reason String CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(end)
ORDER BY (environment, end, anomaly);
