import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BatchReport, batches, emissions } from './runtime/reports.ts'
import { announceSampling } from './sampling-notices.ts'

const slot = 10_000

/** What was said of sampling in the slots, counted from 0, by a pipeline whose watermark then came to each end. */
function said(slots: readonly { service: string; at: number }[], until: number): string[] {
  const told: string[] = []
  const say = (_fields: object, message: string) => void told.push(message)
  const notices = announceSampling({ debug: say, info: say, warn: say, error: say })
  for (let at = 0; at < until; at++) {
    const rows = slots
      .filter(each => each.at === at)
      .map(({ service }) => ({
        ...{ environment: 'prod', service, start: at * slot, end: (at + 1) * slot },
        ...{ lines: 90, kept: 30, errors: 10, errors_kept: 10 },
      }))
    const emitted = { rows: new Map([['log_sampling', rows]]), outputs: [], late: [], dropped: new Map(), dead: [] }
    emissions.publish({ pipeline: 'logs', emitted })
    const fates = { in: 0, used: 0, late: 0, dropped: {}, dead: 0 }
    const of = { pipeline: 'logs', topic: 't', partition: 0, fates, dead: {}, outputs: 0, lag: 0, took: 1 }
    batches.publish({ ...of, watermark: (at + 1) * slot } satisfies BatchReport)
  }
  notices.stop()
  return told
}

const begins = (service: string) =>
  `lines of prod/${service} are sampled: there are more than detection.sample allows; counts stay exact`
const ends = (service: string) => `lines of prod/${service} are all kept again`

test('a storm is told when it begins and when it is over, not slot by slot', () => {
  const slots = [2, 3, 4, 7, 8].map(at => ({ service: 'shop', at }))
  assert.deepEqual(said(slots, 14), [begins('shop')])
  assert.deepEqual(said(slots, 15), [begins('shop'), ends('shop')])
})

test('each service has its own, and another storm is told again', () => {
  const slots = [
    { service: 'shop', at: 0 },
    { service: 'cart', at: 3 },
    { service: 'shop', at: 20 },
  ]
  assert.deepEqual(said(slots, 30), [
    ...[begins('shop'), begins('cart'), ends('shop'), ends('cart')],
    ...[begins('shop'), ends('shop')],
  ])
})
