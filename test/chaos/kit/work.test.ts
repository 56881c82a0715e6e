import assert from 'node:assert/strict'
import { test } from 'node:test'
import { overlaps, type Work } from './work.ts'

const batch = (partition: number, began: number, ended?: number): Work => ({
  ...{
    call: 'batch',
    pipeline: 'logs',
    partition,
    began: began * 1e6,
    ended: ended === undefined ? undefined : ended * 1e6,
  },
})
const process = (gone: number, ...work: Work[]) => ({ work, gone: gone * 1e6 })

test('batches of two processes in one partition overlap, however they lie; those of one process or of two partitions do not', () => {
  const first = process(100, batch(0, 0, 40), batch(0, 10, 20), batch(1, 50, 60))
  assert.deepEqual(overlaps([first, process(100, batch(1, 0, 50), batch(0, 40, 50), batch(1, 60, 70))]), [])
  assert.deepEqual(overlaps([first, process(100, batch(0, 39, 45))]), [{ pipeline: 'logs', partition: 0, both: 1 }])
  assert.deepEqual(overlaps([first, process(100, batch(1, 40, 70))]), [{ pipeline: 'logs', partition: 1, both: 10 }])
})

test('what a process had not finished was over when it was gone', () => {
  assert.deepEqual(overlaps([process(30, batch(0, 10)), process(100, batch(0, 30, 40))]), [])
  assert.deepEqual(overlaps([process(30, batch(0, 10)), process(100, batch(0, 25, 40))]), [
    { pipeline: 'logs', partition: 0, both: 5 },
  ])
})
