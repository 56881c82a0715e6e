import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeMark } from '../pipelines/runtime/marks.ts'
import { openEmbeddedLog } from '../pipelines/sources/embedded-log.ts'
import { entryTopics } from '../pipelines/topics.ts'
import { startAgentProcess } from './kit/agent.ts'
import { eventually } from './kit/eventually.ts'
import { realClock, recordingLogger } from './kit/log.ts'

test('an agent gives up the files of a replay that was killed half-way, and does not wait for them', async t => {
  const data = await mkdtemp(join(tmpdir(), 'ops-handover-'))
  t.after(() => rm(data, { recursive: true, force: true }))
  // What such a replay leaves behind: files announced, one of them come to some time, none of them to its end.
  const log = await openEmbeddedLog({ dataDir: data, clock: realClock, logger: recordingLogger() })
  const topic = entryTopics.logs
  await log.ensure([{ topic, partitions: 1 }])
  const streams = ['file:/var/log/a.log', 'file:/var/log/b.log']
  for (const [stream, time] of [[streams[0]!, null] as const, [streams[1]!, Date.UTC(2026, 0, 5)] as const])
    await log.append([
      { topic, partition: 0, key: null, ...encodeMark({ stream, time, idle: false, siblings: streams }) },
    ])
  await log.close()
  const settings = ['detection.idleAfter=300ms', 'detection.outOfOrderness=200ms', 'checkpoints.every=200ms']
  const agent = await startAgentProcess(data, settings)
  try {
    const record = {
      timeUnixNano: `${Date.now()}000000`,
      severityText: 'ERROR',
      body: { stringValue: 'the agent goes on' },
    }
    const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] }
    const sent = await fetch(`${agent.otlp}/v1/logs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords: [record] }] }] }),
    })
    assert.equal(sent.status, 200)
    const used = /^opsagent_events_total\{pipeline="logs",fate="used"\} 1$/m
    const held = /^opsagent_watermark_lag_seconds\{pipeline="logs",partition="0"\} (\d+)/m
    await eventually(async () => {
      const metrics = await (await fetch(`${agent.api}/metrics`)).text()
      assert.match(metrics, used)
      assert.ok(Number(held.exec(metrics)?.[1] ?? Number.NaN) < 60, 'the watermark is held up')
    })
  } finally {
    assert.equal(await agent.stop(), 0)
  }
})
