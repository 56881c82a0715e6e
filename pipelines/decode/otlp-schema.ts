import protobuf from 'protobufjs'

// The subset of opentelemetry-proto (v1) that is read and answered, kept by hand: field numbers and types are those of
// opentelemetry/proto/{common,resource,logs,metrics}/v1/*.proto; unknown fields are skipped. Where one wrong entry
// must not take its request along, the field is declared as bytes (the same on the wire) and decoded by itself.

const repeated = { rule: 'repeated' } as const
const message = (fields: Record<string, readonly [id: number, type: string, rule?: { rule: 'repeated' }]>) => ({
  fields: Object.fromEntries(Object.entries(fields).map(([name, [id, type, rule]]) => [name, { id, type, ...rule }])),
})

const numberPoint = {
  attributes: [7, 'KeyValue', repeated],
  startTimeUnixNano: [2, 'fixed64'],
  timeUnixNano: [3, 'fixed64'],
  flags: [8, 'uint32'],
} as const
const histogramPoint = {
  attributes: [9, 'KeyValue', repeated],
  startTimeUnixNano: [2, 'fixed64'],
  timeUnixNano: [3, 'fixed64'],
  count: [4, 'fixed64'],
  flags: [10, 'uint32'],
} as const
const points = { dataPoints: [1, 'bytes', repeated] } as const
const sums = { ...points, aggregationTemporality: [2, 'int32'] } as const
const oneof = (definition: ReturnType<typeof message>, name: string, members: readonly string[]) => ({
  ...definition,
  oneofs: { [name]: { oneof: [...members] } },
})

const root = protobuf.Root.fromJSON({
  nested: {
    AnyValue: oneof(
      message({
        stringValue: [1, 'string'],
        boolValue: [2, 'bool'],
        intValue: [3, 'int64'],
        doubleValue: [4, 'double'],
        arrayValue: [5, 'ArrayValue'],
        kvlistValue: [6, 'KeyValueList'],
        bytesValue: [7, 'bytes'],
      }),
      'value',
      ['stringValue', 'boolValue', 'intValue', 'doubleValue', 'arrayValue', 'kvlistValue', 'bytesValue'],
    ),
    ArrayValue: message({ values: [1, 'AnyValue', repeated] }),
    KeyValueList: message({ values: [1, 'KeyValue', repeated] }),
    KeyValue: message({ key: [1, 'string'], value: [2, 'AnyValue'] }),
    Resource: message({ attributes: [1, 'KeyValue', repeated] }),
    InstrumentationScope: message({ name: [1, 'string'], version: [2, 'string'] }),

    LogsRequest: message({ resourceLogs: [1, 'ResourceLogs', repeated] }),
    ResourceLogs: message({
      resource: [1, 'Resource'],
      scopeLogs: [2, 'ScopeLogs', repeated],
      schemaUrl: [3, 'string'],
    }),
    ScopeLogs: message({
      scope: [1, 'InstrumentationScope'],
      logRecords: [2, 'bytes', repeated],
      schemaUrl: [3, 'string'],
    }),
    LogRecord: message({
      timeUnixNano: [1, 'fixed64'],
      severityNumber: [2, 'int32'],
      severityText: [3, 'string'],
      body: [5, 'AnyValue'],
      attributes: [6, 'KeyValue', repeated],
      flags: [8, 'fixed32'],
      traceId: [9, 'bytes'],
      spanId: [10, 'bytes'],
      observedTimeUnixNano: [11, 'fixed64'],
      eventName: [12, 'string'],
    }),

    MetricsRequest: message({ resourceMetrics: [1, 'ResourceMetrics', repeated] }),
    ResourceMetrics: message({
      resource: [1, 'Resource'],
      scopeMetrics: [2, 'ScopeMetrics', repeated],
      schemaUrl: [3, 'string'],
    }),
    ScopeMetrics: message({
      scope: [1, 'InstrumentationScope'],
      metrics: [2, 'bytes', repeated],
      schemaUrl: [3, 'string'],
    }),
    Metric: oneof(
      message({
        name: [1, 'string'],
        description: [2, 'string'],
        unit: [3, 'string'],
        gauge: [5, 'Gauge'],
        sum: [7, 'Sum'],
        histogram: [9, 'Histogram'],
        exponentialHistogram: [10, 'Histogram'],
        summary: [11, 'Gauge'],
      }),
      'data',
      ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary'],
    ),
    Gauge: message(points),
    Sum: message({ ...sums, isMonotonic: [3, 'bool'] }),
    Histogram: message(sums),
    NumberDataPoint: oneof(message({ ...numberPoint, asDouble: [4, 'double'], asInt: [6, 'sfixed64'] }), 'value', [
      'asDouble',
      'asInt',
    ]),
    HistogramDataPoint: oneof(
      message({
        ...histogramPoint,
        sum: [5, 'double'],
        bucketCounts: [6, 'fixed64', repeated],
        explicitBounds: [7, 'double', repeated],
      }),
      '_sum',
      ['sum'],
    ),
    ExponentialHistogramDataPoint: oneof(
      message({
        ...histogramPoint,
        attributes: [1, 'KeyValue', repeated],
        sum: [5, 'double'],
        scale: [6, 'sint32'],
        zeroCount: [7, 'fixed64'],
        positive: [8, 'Buckets'],
        negative: [9, 'Buckets'],
        zeroThreshold: [14, 'double'],
      }),
      '_sum',
      ['sum'],
    ),
    Buckets: message({ offset: [1, 'sint32'], bucketCounts: [2, 'uint64', repeated] }),
    SummaryDataPoint: message({
      ...numberPoint,
      count: [4, 'fixed64'],
      sum: [5, 'double'],
      quantileValues: [6, 'ValueAtQuantile', repeated],
    }),
    ValueAtQuantile: message({ quantile: [1, 'double'], value: [2, 'double'] }),

    /** google.rpc.Status, the body of an answer that says no. */
    Status: message({ code: [1, 'int32'], message: [2, 'string'] }),
  },
})

const type = (name: string): protobuf.Type => root.lookupType(name)

/** Message types of OTLP. A request may be decoded whole; its entries are bytes, to be decoded one by one. */
export const otlp = {
  AnyValue: type('AnyValue'),
  Resource: type('Resource'),
  LogsRequest: type('LogsRequest'),
  LogRecord: type('LogRecord'),
  MetricsRequest: type('MetricsRequest'),
  Metric: type('Metric'),
  NumberDataPoint: type('NumberDataPoint'),
  HistogramDataPoint: type('HistogramDataPoint'),
  ExponentialHistogramDataPoint: type('ExponentialHistogramDataPoint'),
  SummaryDataPoint: type('SummaryDataPoint'),
  Status: type('Status'),
} as const
