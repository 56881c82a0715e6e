import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Appends } from './appends.ts'
import type { NewRecord } from './log.ts'

test('an append that failed in part, made again with the same records, writes only the rest', async () => {
  const written: string[] = []
  let broken = true
  const appends = new Appends(
    () => 3,
    async (_topic, partition, records) => {
      if (broken && partition === 1) throw new Error('full')
      written.push(...records.map(({ value }) => `${partition}:${value}`))
    },
  )
  const records: NewRecord[] = ['a', 'b', 'c', 'd', 'e'].map(value => ({ topic: 't', key: null, value }))
  await assert.rejects(appends.append(records), /full/)
  await assert.rejects(appends.append(records), /full/)
  assert.deepEqual(written.sort(), ['0:a', '0:d', '2:c'])
  broken = false
  await appends.append(records)
  assert.deepEqual(written.sort(), ['0:a', '0:d', '1:b', '1:e', '2:c'])
  await appends.append([{ ...records[0]! }])
  assert.equal(written.length, 6)
})

test('one object appended several times at once counts each time', async () => {
  const written: number[] = []
  let broken = true
  const appends = new Appends(
    () => 2,
    async (_topic, partition, records) => {
      if (broken && partition === 1) throw new Error('full')
      written.push(...records.map(() => partition))
    },
  )
  const same: NewRecord = { topic: 't', key: null, value: 'x' }
  await assert.rejects(appends.append([same, same, same, same]), /full/)
  assert.deepEqual(written, [0, 0])
  broken = false
  await appends.append([same, same, same, same])
  assert.equal(written.length, 4)
})

test('the rejection waits for every partition to come to rest', async () => {
  const slow = Promise.withResolvers<void>()
  let rejected = false
  const appends = new Appends(
    () => 2,
    async (_topic, partition) => {
      if (partition === 0) throw new Error('first')
      await slow.promise
    },
  )
  const append = appends.append([0, 1].map(partition => ({ topic: 't', key: null, value: '', partition })))
  append.catch(() => {
    rejected = true
  })
  await new Promise(setImmediate)
  assert.equal(rejected, false)
  slow.resolve()
  await assert.rejects(append, /first/)
})
