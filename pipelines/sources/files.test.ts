import assert from 'node:assert/strict'
import { mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import type { Event } from '../../operators/operator.ts'
import type { LogLine, Sample, Telemetry } from '../../operators/signal.ts'
import { Watermark } from '../../operators/watermark.ts'
import { CollectingLog } from '../../test/collecting-log.ts'
import { logCorpus } from '../../test/log-corpus.ts'
import { decode } from '../decode/decode.ts'
import { type DeadPart, defaultContext } from '../decode/decoded.ts'
import { decodeMark, isMark } from '../runtime/marks.ts'
import { chunksOf } from './file-chunks.ts'
import { slidingMinimum } from './file-stream.ts'
import { appendedSoFar, type ReplayOptions, type ReplayProgress, replayFiles } from './files.ts'

const now = Date.parse('2026-11-22T12:00:00Z')
const clock = { now: () => now, sleep: () => Promise.resolve() }

function replay(target: CollectingLog, globs: string[], more: Partial<ReplayOptions> = {}): Promise<ReplayProgress> {
  const options = { topic: 'telemetry.logs', partition: 2, kind: 'logs', context: defaultContext } as const
  return replayFiles({ log: target.log, globs, clock, ...options, ...more })
}

/** What a reader of the partition makes of it. */
function readAll(target: CollectingLog, context = defaultContext) {
  const events: Event<Telemetry>[] = []
  const dead: DeadPart[] = []
  const watermark = new Watermark()
  let behind = 0
  for (const record of target.records) {
    if (isMark(record)) {
      const read = decodeMark(record)
      assert.ok('mark' in read)
      watermark.observe(read.mark)
      continue
    }
    const decoded = decode(record, context)
    for (const event of decoded.events)
      if (event.time < (watermark.timeOf(event.origin.stream) ?? Number.NEGATIVE_INFINITY)) behind++
    events.push(...decoded.events)
    dead.push(...decoded.dead)
  }
  return { events, dead, watermark, behind }
}

async function withFiles(
  files: Record<string, string | Buffer>,
  body: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ops-agent-files-'))
  try {
    for (const [name, content] of Object.entries(files)) {
      await writeFile(join(folder, name), content)
      await utimes(join(folder, name), now / 1000, now / 1000)
    }
    await body(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('eight real systems: 16,000 lines in, 16,000 events out, and a second replay appends nothing', async context => {
  const corpus = await logCorpus()
  context.diagnostic(`corpus: ${corpus.source}`)
  const target = new CollectingLog(now)
  const result = await replay(target, [corpus.glob], { now })
  const { events, dead, watermark, behind } = readAll(target)
  assert.deepEqual([result.files, result.done, result.parts, events.length, dead.length], [8, 8, 16_000, 16_000, 0])
  const last = new Map<string, number>()
  for (const { origin } of events) {
    assert.ok(origin.offset > (last.get(origin.stream) ?? -1) && origin.index === 0)
    last.set(origin.stream, origin.offset)
  }
  assert.ok(watermark.idle)
  assert.equal(watermark.time, Math.max(...events.map(({ time }) => time)) + 3_600_000)
  assert.equal(behind, 0)
  assert.ok(target.records.every(({ value }) => value!.length <= 64 * 1024))

  const before = target.records.length
  const again = await replay(target, [corpus.glob], { now, appended: await appendedSoFar(target.all()) })
  assert.deepEqual([target.records.length - before, again.parts, again.done], [0, 0, 8])
  await corpus.remove()
})

test('a replay cut off anywhere is finished by the next, and no line is there twice', async () => {
  const lines = (name: string, minute: number): string =>
    Array.from(
      { length: 60 },
      (_, i) => `2026-11-22 10:${minute}:${String(i).padStart(2, '0')} ${name} ${'é'.repeat(i % 7)}\n`,
    ).join('')
  await withFiles({ 'a.log': lines('a', 10), 'b.log': lines('b', 11), 'c.log': '' }, async folder => {
    const globs = [join(folder, '*.log')]
    const whole = new CollectingLog(now)
    await replay(whole, globs, { recordBytes: 256 })
    const wanted = readAll(whole)
    assert.equal(wanted.events.length, 120)
    for (let kept = 0; kept <= whole.records.length; kept++) {
      const target = new CollectingLog(now)
      target.records.push(...whole.records.slice(0, kept))
      await replay(target, globs, { recordBytes: 256, appended: await appendedSoFar(target.all()) })
      const got = readAll(target)
      const sorted = (events: readonly Event<Telemetry>[]) => events.map(event => JSON.stringify(event)).sort()
      assert.deepEqual(sorted(got.events), sorted(wanted.events), `after ${kept} records`)
      assert.deepEqual([got.watermark.time, got.watermark.idle], [wanted.watermark.time, true])
    }
  })
})

test('a replay resumes in the middle of a record', async () => {
  await withFiles({ 'a.log': '2026-11-22 10:00:00 one\ntwo\nthree\n' }, async folder => {
    const target = new CollectingLog(now)
    await replay(target, [join(folder, 'a.log')], { appended: new Map([[`file:${join(folder, 'a.log')}`, 0]]) })
    const { events } = readAll(target)
    assert.deepEqual(
      events.map(({ value, origin, time }) => [(value as LogLine).body, origin.offset, time]),
      [
        ['two', 24, Date.parse('2026-11-22T10:00:00Z')],
        ['three', 28, Date.parse('2026-11-22T10:00:00Z')],
      ],
    )
  })
})

test('the file that is least far in time goes on, and none is overtaken', async () => {
  const at = (year: number): string =>
    Array.from({ length: 40 }, (_, i) => `${year}-01-01 00:00:${10 + i} x\n`).join('')
  await withFiles({ 'a.log': at(2020), 'b.log': at(2010), 'c.log': at(2015) }, async folder => {
    const target = new CollectingLog(now)
    await replay(target, [join(folder, '*.log')], { recordBytes: 128 })
    const marks = target.records.filter(isMark).map(record => decodeMark(record))
    assert.deepEqual(
      marks.slice(0, 3).map(read => 'mark' in read && [read.mark.siblings.length, read.mark.idle]),
      [
        [3, false],
        [3, false],
        [3, false],
      ],
    )
    const { events, behind } = readAll(target)
    assert.equal(behind, 0)
    assert.deepEqual(
      events.map(({ time }) => time),
      events.map(({ time }) => time).sort((a, b) => a - b),
    )
  })
})

test('packed files, byte order marks, other line ends, wrong UTF-8 and empty lines', async () => {
  const text = '\ufeff2026-11-22 10:00:00 ü\r\n\r\nlast without end'
  await withFiles(
    { 'a.log': text, 'b.log.gz': gzipSync(text), 'c.log': Buffer.from([0x61, 0xff, 0x0a]) },
    async folder => {
      const target = new CollectingLog(now)
      await replay(target, [join(folder, '*')])
      const of = (name: string) =>
        readAll(target)
          .events.filter(({ origin }) => origin.stream.endsWith(name))
          .map(({ value, origin }) => [(value as LogLine).body, origin.offset, value.service])
      const lines = (service: string) => [
        ['2026-11-22 10:00:00 ü', 3, service],
        ['', 27, service],
        ['last without end', 29, service],
      ]
      assert.deepEqual(of('a.log'), lines('a'))
      assert.deepEqual(of('b.log.gz'), lines('b'))
      assert.deepEqual(of('c.log'), [['a\ufffd', 0, 'c']])
    },
  )
})

test('a 5 MB line is one dead letter of a small record, and the lines around it go on', async () => {
  await withFiles({ 'a.log': `first\n${'x'.repeat(5_000_000)}\nlast\n` }, async folder => {
    const target = new CollectingLog(now)
    await replay(target, [join(folder, 'a.log')])
    const { events, dead } = readAll(target)
    assert.deepEqual(
      events.map(({ value, origin }) => [(value as LogLine).body, origin.offset]),
      [
        ['first', 0],
        ['last', 5_000_007],
      ],
    )
    assert.deepEqual(
      dead.map(({ reason }) => reason),
      ['too-large'],
    )
    assert.match(dead[0]!.detail, /line at byte 6 has 5000000 bytes/)
    assert.ok(target.records.every(({ value }) => value!.length < 65_536))
    const again = await replay(target, [join(folder, 'a.log')], { appended: await appendedSoFar(target.all()) })
    assert.equal(again.records, 0)
  })
})

test('chunks of any size hold the same bytes, cut behind line ends', async () => {
  const content = fc
    .array(fc.constantFrom('\n', 'a', 'bcd', '\r\n', 'é', 'x'.repeat(50)), { maxLength: 60 })
    .map(parts => parts.join(''))
  await fc.assert(
    fc.asyncProperty(content, fc.integer({ min: 1, max: 80 }), async (text, chunkBytes) => {
      await withFiles({ 'a.log': text }, async folder => {
        const values: Buffer[] = []
        let offset = 0
        for await (const chunk of chunksOf(join(folder, 'a.log'), { chunkBytes, maxLineBytes: 1_000_000 })) {
          assert.equal(chunk.offset, offset)
          offset = chunk.end
          values.push(chunk.value)
        }
        assert.equal(Buffer.concat(values).toString(), text)
        assert.ok(values.slice(0, -1).every(value => value.at(-1) === 10))
      })
    }),
    { seed: 7, numRuns: 60 },
  )
})

test('metrics as CSV and as JSON lines', async () => {
  const files = {
    'cpu.csv': 'timestamp,value\n2026-11-22 10:00:00,1\n2026-11-22 10:01:00,2\n',
    'bare.csv': '2026-11-22 10:00:00,7\n',
    'many.csv': 'time,a_cpu,b_cpu\n2026-11-22 10:00:00,1,2\n',
    'points.jsonl': '{"metric":"m","value":3,"timestamp":"2026-11-22T10:00:00Z","labels":{"service":"s"}}\nbroken\n',
  }
  await withFiles(files, async folder => {
    const target = new CollectingLog(now)
    await replay(target, [join(folder, '*')], { kind: 'metrics', topic: 'telemetry.metrics', service: 'given' })
    const { events, dead } = readAll(target)
    const samples = events.map(({ value, origin }) => [
      (value as Sample).metric,
      (value as Sample).value,
      value.service,
      origin.offset,
      origin.index,
    ])
    assert.deepEqual(samples.sort(), [
      ['a_cpu', 1, 'given', 17, 0],
      ['b_cpu', 2, 'given', 17, 1],
      ['bare', 7, 'given', 0, 0],
      ['cpu', 1, 'given', 16, 0],
      ['cpu', 2, 'given', 38, 0],
      ['m', 3, 's', 0, 0],
    ])
    assert.deepEqual(
      dead.map(({ reason }) => reason),
      ['invalid-json'],
    )
    const again = await replay(target, [join(folder, '*')], {
      kind: 'metrics',
      appended: await appendedSoFar(target.all()),
    })
    assert.equal(again.parts, 0)
    await writeFile(join(folder, 'other.txt'), 'x')
    await assert.rejects(
      replay(target, [join(folder, '*')], { kind: 'metrics' }),
      /other\.txt': neither \.csv nor \.jsonl/,
    )
  })
})

test('a pattern without a file, and a file that is no gzip, are named', async () => {
  await withFiles({ 'a.log.gz': 'no gzip' }, async folder => {
    const target = new CollectingLog(now)
    await assert.rejects(replay(target, [join(folder, '*.nothing')]), /nothing': no file matches; correct the pattern/)
    await assert.rejects(replay(target, [join(folder, '*')]), /a\.log\.gz': unreadable/)
  })
})

test('a link to nowhere among the files is passed over', async () => {
  await withFiles({ 'a.log': 'one\n' }, async folder => {
    await symlink('nowhere', join(folder, 'b.log'))
    const { files, parts } = await replay(new CollectingLog(now), [join(folder, '*.log')])
    assert.deepEqual([files, parts], [1, 1])
  })
})

test('progress is told, and ends with everything', async () => {
  await withFiles({ 'a.log': 'x\n'.repeat(300_000) }, async folder => {
    const told: ReplayProgress[] = []
    const result = await replay(new CollectingLog(now), [join(folder, 'a.log')], {
      onProgress: each => told.push(each),
    })
    for (const phase of ['reading', 'appending']) {
      const bytes = told.filter(each => each.phase === phase).map(each => each.bytes)
      assert.ok(bytes.length > 1 && bytes[0]! < bytes.at(-1)!)
    }
    assert.deepEqual(result, {
      phase: 'appending',
      files: 1,
      done: 1,
      bytes: 600_000,
      totalBytes: 600_000,
      parts: 300_000,
      totalParts: 300_000,
      records: 10,
    })
  })
})

test('what is to come is known as far as is looked ahead', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 30 }),
      fc.integer({ min: 1, max: 8 }),
      (values, width) => {
        const wanted = values.map((_, at) => Math.min(...values.slice(at, at + width)))
        assert.deepEqual(slidingMinimum(values, width), wanted)
      },
    ),
    { seed: 9, numRuns: 500 },
  )
})
