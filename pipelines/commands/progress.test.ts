import assert from 'node:assert/strict'
import { test } from 'node:test'
import { progress } from './progress.ts'

function drive(terminal: boolean) {
  let now = 1_000
  const notes: string[] = []
  const context = {
    note: (text: string) => notes.push(text),
    now: () => now,
    terminal: { out: terminal, notes: terminal },
  }
  const shown = progress(context)
  const at = (time: number, done: number, total?: number) => {
    now = 1_000 + time
    shown.show({ what: 'reading', done, total, unit: 'lines' })
  }
  return { notes, at, finish: () => shown.finish() }
}

test('work of less than two seconds shows nothing', () => {
  const { notes, at, finish } = drive(true)
  at(0, 0)
  at(1_999, 10)
  finish()
  assert.deepEqual(notes, [])
})

test('longer work shows one line, drawn over itself and wiped at the end', () => {
  const { notes, at, finish } = drive(true)
  at(2_000, 4_000, 16_000)
  at(2_100, 5_000, 16_000)
  at(4_000, 8_000, 16_000)
  finish()
  const start = '\r\u001b[K'
  assert.deepEqual(notes, [
    `${start}reading: 4,000 of 16,000, 25 % lines, 2,000/s`,
    `${start}reading: 8,000 of 16,000, 50 % lines, 2,000/s`,
    start,
  ])
})

test('where nobody watches, nothing is shown', () => {
  const { notes, at, finish } = drive(false)
  at(10_000, 1)
  finish()
  assert.deepEqual(notes, [])
})
