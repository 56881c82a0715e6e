-- The journal: what was asked for, intended and done, one row per record of the topic ops.runs. Identity: the record's
-- partition and offset there; a row is a pure function of the records before it. How runs stand is read from here.
CREATE TABLE run_events (
  partition UInt32,
  offset UInt64,
  run String,
  target LowCardinality(String),
  environment LowCardinality(String),
  service LowCardinality(String),
  runbook LowCardinality(String),
  incident String,
  type LowCardinality(String),
  accepted Bool,
  state LowCardinality(String),
  phase LowCardinality(String),
  step Int32,
  step_name String,
  outcome LowCardinality(String),
  reason String,
  summary String,
  output String CODEC(ZSTD(1)),
  before String,
  after String,
  at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree
ORDER BY (partition, offset)
SETTINGS non_replicated_deduplication_window = 1000;
