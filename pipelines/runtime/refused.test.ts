import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SinkError } from '../../sinks/store.ts'
import { refusedRecord, refusedRow, writeWhatIsTaken } from './refused.ts'

/** Takes lists of numbers without any of these. */
function door(bad: ReadonlySet<number>) {
  const taken = new Set<number>()
  let calls = 0
  const write = async (parts: readonly number[]): Promise<void> => {
    calls++
    const wrong = parts.find(part => bad.has(part))
    if (wrong !== undefined) throw new SinkError('store s', 'rejected', `cannot take ${wrong}`)
    for (const part of parts) taken.add(part)
  }
  return { write, taken, calls: () => calls }
}

test('all that is taken is written, and what is refused by itself is named with why', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat(50)), fc.uniqueArray(fc.nat(50)), async (parts, bad) => {
      const { write, taken } = door(new Set(bad))
      const refused = await writeWhatIsTaken(parts, write)
      const wrong = parts.filter(part => bad.includes(part))
      assert.deepEqual(
        refused,
        wrong.map(part => ({ part, why: `store s: rejected: cannot take ${part}` })),
      )
      assert.deepEqual([...taken].sort(), parts.filter(part => !bad.includes(part)).sort())
    }),
  )
})

test('one bad among many is found in few calls', async () => {
  const { write, calls } = door(new Set([7_777]))
  await writeWhatIsTaken(
    Array.from({ length: 20_000 }, (_, n) => n),
    write,
  )
  assert.ok(calls() <= 2 * Math.ceil(Math.log2(20_000)) + 1, `${calls()} calls`)
})

test('a door that is shut is no refusal', async () => {
  const write = async () => {
    throw new SinkError('store s', 'unreachable', 'gone')
  }
  await assert.rejects(writeWhatIsTaken([1, 2], write), /gone/)
})

test('a letter of the same row or record is the same letter, and of another it is another', () => {
  const row = { service: 'a', time: 1_000, value: 'x' }
  const letter = refusedRow('log_lines', { part: row, why: 'no' }, 5)
  assert.deepEqual(refusedRow('log_lines', { part: { ...row }, why: 'no' }, 6), letter)
  assert.notEqual(refusedRow('log_lines', { part: { ...row, value: 'y' }, why: 'no' }, 5).offset, letter.offset)
  assert.equal(letter.topic, 'table:log_lines')
  assert.equal(letter.reason, 'row-rejected')
  assert.deepEqual(JSON.parse(Buffer.from(String(letter.value), 'base64').toString()), row)
  const record = { topic: 'ops.anomalies', key: 'k', value: 'v', headers: { 'ops-time': '1000' } }
  const other = refusedRecord({ part: record, why: 'no' }, 5)
  assert.deepEqual(refusedRecord({ part: { ...record }, why: 'no' }, 6), other)
  assert.deepEqual([other.topic, other.reason, other.appended_at], ['topic:ops.anomalies', 'record-rejected', 1_000])
})
