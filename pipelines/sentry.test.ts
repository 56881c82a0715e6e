import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { test } from 'node:test'
import { masker, Secret } from './configuration/secret.ts'
import { openSentry } from './sentry.ts'

test('a report has the error and what it was about, and neither secrets nor this machine', async () => {
  const sent: string[] = []
  const reports = openSentry({
    dsn: 'https://key@127.0.0.1/1',
    environment: 'test',
    release: '1.2.3',
    mask: masker([new Secret('hunter2!')]),
    transport: () => ({
      send: async envelope => {
        sent.push(JSON.stringify(envelope))
        return { statusCode: 200 }
      },
      flush: async () => true,
    }),
  })
  const error = new Error('refused hunter2!', { cause: new Error('token hunter2!') })
  reports.report(error, { pipeline: 'logs' })
  await reports.close()
  const text = sent.join()
  assert.ok(text.includes('refused ***') && text.includes('token ***') && text.includes('"pipeline":"logs"'), text)
  assert.ok(!text.includes('hunter2'), text)
  assert.ok(!text.includes(`"${hostname()}"`), text)
})
