import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SinkError } from '../../sinks/store.ts'
import { Appends } from './appends.ts'
import { PartitionAppends } from './kafka-appends.ts'
import type { NewRecord } from './log.ts'

type Fault = 'none' | 'request lost' | 'answer lost'

/**
 * One partition of a broker behind a producer like kafkajs': batches carry the sequence number of their first record; a
 * batch that failed gives its numbers back; the broker takes a batch with the numbers of the last one for the same.
 */
class FakePartition {
  readonly records: NewRecord[] = []
  readonly batches: number[] = []
  #sequence = 0
  #last = { from: -1, count: 0 }
  readonly #faults: Iterator<Fault>
  readonly #largest: number

  constructor(faults: Iterator<Fault>, largest = Number.POSITIVE_INFINITY) {
    this.#faults = faults
    this.#largest = largest
  }

  send = async (records: readonly NewRecord[]): Promise<void> => {
    await new Promise(setImmediate)
    const fault: Fault = this.#faults.next().value ?? 'none'
    if (fault !== 'request lost') this.#take(records)
    if (fault !== 'none') throw new SinkError('kafka', 'unreachable', fault)
    this.#sequence += records.length
  }

  #take(records: readonly NewRecord[]): void {
    if (records.some(({ value }) => value!.length > this.#largest))
      throw new SinkError('kafka', 'rejected', 'too large')
    const [from, count] = [this.#sequence, records.length]
    if (from === this.#last.from && count === this.#last.count) return
    assert.equal(from, this.records.length, 'out of order sequence number')
    this.#last = { from, count }
    this.batches.push(count)
    this.records.push(...records)
  }
}

const door = (partition: FakePartition) => {
  const queue = new PartitionAppends(partition.send)
  return new Appends(
    () => 1,
    (_topic, _partition, records, onWritten) => queue.append(records, onWritten),
  )
}

test('whatever is lost on the way, appends that are retried are written once, in each caller’s order', async () => {
  const fault = fc.constantFrom<Fault>('none', 'request lost', 'answer lost')
  const callers = fc.array(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }), {
    minLength: 1,
    maxLength: 4,
  })
  await fc.assert(
    fc.asyncProperty(fc.array(fault, { maxLength: 25 }), callers, async (faults, callers) => {
      const partition = new FakePartition(faults.values())
      const appends = door(partition)
      const written = callers.map(async (sizes, caller) => {
        const all: NewRecord[] = []
        for (const size of sizes) {
          const records = Array.from({ length: size }, (_, n) => ({ topic: 't', key: `${caller}`, value: `${n}` }))
          all.push(...records)
          for (let done = false; !done; )
            done = await appends.append(records).then(
              () => true,
              error => !error.retryable,
            )
        }
        return all
      })
      for (const [caller, expected] of (await Promise.all(written)).entries()) {
        const found = partition.records.filter(({ key }) => key === String(caller))
        assert.equal(found.length, expected.length)
        for (const [at, record] of expected.entries()) assert.equal(found[at], record)
      }
    }),
    { numRuns: 400, seed: 1 },
  )
})

test('a record the broker rejects fails its own append and no other', async () => {
  const partition = new FakePartition([].values(), 10)
  const appends = door(partition)
  const record = (value: string): NewRecord => ({ topic: 't', key: null, value })
  const mixed = [record('a'), record('far too large a value'), record('b')]
  const outcomes = await Promise.allSettled([
    appends.append([record('c'), record('d')]),
    appends.append(mixed),
    appends.append([record('e')]),
  ])
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  assert.deepEqual(
    partition.records.map(({ value }) => value),
    ['c', 'd', 'a', 'b', 'e'],
  )
  await appends.append([mixed[0]!, mixed[2]!])
  assert.equal(partition.records.length, 5, 'what was written beside it is not written again')
})

test('a large append goes out in several batches, many small ones in one', async () => {
  const partition = new FakePartition([].values())
  const appends = door(partition)
  const record = (value: string): NewRecord => ({ topic: 't', key: null, value })
  await Promise.all(Array.from({ length: 100 }, () => appends.append([record('x')])))
  assert.deepEqual(partition.batches, [100])
  await appends.append(Array.from({ length: 4_500 }, () => record('x')))
  assert.deepEqual(partition.batches.slice(1), [2_000, 2_000, 500])
  await appends.append(Array.from({ length: 5 }, () => record('x'.repeat(400_000))))
  assert.deepEqual(partition.batches.slice(4), [2, 2, 1])
})

test('a record no broker could take is not sent', async () => {
  const partition = new FakePartition([].values())
  const value = Buffer.alloc(65 * 1024 * 1024)
  await assert.rejects(door(partition).append([{ topic: 't', key: null, value }]), /rejected: a record of \d+ bytes/)
  assert.deepEqual(partition.batches, [])
})
