import { z } from 'zod'
import { Anomaly, Incident, IncidentState, RunState, Severity } from '../operators/signal.ts'
import { jsonText, query } from './query.ts'

// The named reads of the API. A parameter that is not given is bound as '' or 0 and then lets every row through.

const at = z.number().describe('Milliseconds since 1970 UTC.')

export const incidents = query({
  name: 'incidents',
  summary: 'Incidents as they stand, newest first.',
  params: z.strictObject({
    environment: z.string().optional(),
    service: z.string().optional(),
    state: IncidentState.optional(),
    severity: Severity.optional(),
    since: z.number().optional(),
    cursor: z.object({ time: z.number(), id: z.string() }).optional(),
    limit: z.int(),
  }),
  row: z.object({ body: jsonText(Incident) }).transform(row => row.body),
  sql: `
    SELECT body
    FROM incidents FINAL
    WHERE ({environment:String} = '' OR environment = {environment:String})
      AND ({service:String} = '' OR has(services, {service:String}))
      AND ({state:String} = '' OR state = {state:String})
      AND ({severity:String} = '' OR severity = {severity:String})
      AND toUnixTimestamp64Milli(detected_at) >= {since:Int64}
      AND ({before:Int64} = 0 OR (toUnixTimestamp64Milli(detected_at), id) < ({before:Int64}, {beforeId:String}))
    ORDER BY detected_at DESC, id DESC
    LIMIT {limit:UInt32}`,
  bind: ({ environment = '', service = '', state = '', severity = '', since = 0, cursor, limit }) => ({
    environment,
    service,
    state,
    severity,
    since,
    before: cursor?.time ?? 0,
    beforeId: cursor?.id ?? '',
    limit,
  }),
})

export const incident = query({
  name: 'incident',
  summary: 'One incident as it stands.',
  params: z.strictObject({ id: z.string() }),
  row: z.object({ body: jsonText(Incident) }).transform(row => row.body),
  sql: 'SELECT body FROM incidents FINAL WHERE id = {id:String} LIMIT 1',
})

export const TimelineEntry = z.strictObject({ at, version: z.int(), change: z.string(), text: z.string() })

export const timeline = query({
  name: 'timeline',
  summary: 'What happened to one incident, oldest first.',
  params: z.strictObject({ incident: z.string() }),
  row: TimelineEntry,
  sql: `
    SELECT toUnixTimestamp64Milli(at) AS at, version, change, text
    FROM incident_events FINAL
    WHERE incident = {incident:String}
    ORDER BY at, version
    LIMIT 1000`,
})

export const anomaliesOf = query({
  name: 'anomalies-of',
  summary: 'Anomalous windows of the signals of one incident, oldest first.',
  params: z.strictObject({ incident: z.string() }),
  row: z.object({ body: jsonText(Anomaly) }).transform(row => row.body),
  sql: `SELECT body FROM anomalies FINAL WHERE incident = {incident:String} LIMIT 1000`,
})

export const RunSummary = z.strictObject({
  run: z.string(),
  runbook: z.string(),
  incident: z.string(),
  environment: z.string(),
  service: z.string(),
  target: z.string(),
  state: RunState,
  summary: z.string(),
  at,
})

export const RunEvent = z.strictObject({ at, type: z.string(), state: z.string(), step: z.string(), text: z.string() })

export const runs = query({
  name: 'runs',
  summary: 'Runs as they stand, newest first.',
  params: z.strictObject({
    environment: z.string().optional(),
    service: z.string().optional(),
    incident: z.string().optional(),
    state: RunState.optional(),
    limit: z.int(),
  }),
  row: RunSummary,
  sql: `SELECT run FROM runs FINAL LIMIT {limit:UInt32}`,
  bind: ({ environment = '', service = '', incident = '', state = '', limit }) => ({
    environment,
    service,
    incident,
    state,
    limit,
  }),
})

export const run = query({
  name: 'run',
  summary: 'One run as it stands.',
  params: z.strictObject({ run: z.string() }),
  row: RunSummary,
  sql: `SELECT run FROM runs FINAL WHERE run = {run:String}`,
})

export const runEvents = query({
  name: 'run-events',
  summary: 'What was asked for, intended and done in one run, oldest first.',
  params: z.strictObject({ run: z.string() }),
  row: RunEvent,
  sql: `SELECT run FROM run_events FINAL WHERE run = {run:String}`,
})

export const WholeIncident = z.strictObject({
  incident: Incident,
  timeline: z.array(TimelineEntry),
  anomalies: z.array(Anomaly),
  runs: z.array(RunSummary),
})

/** Every query, for the test that asks each of real tables. */
export const queries = [incidents, incident, timeline, anomaliesOf, runs, run, runEvents] as const
