import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

// The commands about log lines as people call them, over what a replay has kept.

const main = fileURLToPath(new URL('../pipelines/main.ts', import.meta.url))
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('OPS_')))
const begin = Date.UTC(2026, 10, 22, 10)

let folder: string

async function ops(words: string[], input = ''): Promise<{ code: number; out: string; notes: string }> {
  const child = spawn(process.execPath, [main, ...words], { cwd: folder, env })
  child.stdin.end(input)
  const [out, notes] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: child.exitCode ?? (await new Promise(resolve => child.once('exit', resolve))), out, notes }
}
const span = ['--from', '2026-11-22T10:00:00Z', '--to', '2026-11-22T11:00:00Z']

/** Half an hour of lines, ten a minute, of which the 25th has an error. */
const lines = Array.from({ length: 300 }, (_, n) => {
  const time = new Date(begin + n * 6_000).toISOString()
  return n === 250
    ? `${time} ERROR cannot reach the bank 10.0.0.7: 连接超时未响应`
    : `${time} INFO order ${n} placed in ${n % 90} ms`
})

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-logs-'))
  await writeFile(join(folder, 'shop.log'), `${lines.join('\n')}\n`)
  const { code, notes } = await ops(['replay', '--logs', 'shop.log'])
  assert.equal(code, 0, notes)
})
after(() => rm(folder, { recursive: true, force: true }))

test('lines are found, for people and for machines, and page by page', async () => {
  const found = await ops(['logs', 'search', 'level:error 超时', ...span])
  assert.equal(found.code, 0, found.notes)
  assert.match(
    found.out,
    /^2026-11-22T10:25:00Z error shop {2}2026.* ERROR cannot reach the bank 10\.0\.0\.7: 连接超时未响应\n$/,
  )
  const first = await ops(['logs', 'search', '"in 5 ms"', '--order', 'oldest', '--limit', '2', '--json', ...span])
  const page = JSON.parse(first.out) as { lines: { time: number; body: string }[]; next: string }
  assert.deepEqual(
    page.lines.map(({ time }) => (time - begin) / 6_000),
    [5, 95],
  )
  const rest = await ops(['logs', 'search', '"in 5 ms"', '--limit', '2', '--cursor', page.next])
  assert.match(rest.out, /order 185 placed in 5 ms\n.*order 275 placed in 5 ms\n/)
  const none = await ops(['logs', 'search', ' -order -bank', ...span])
  assert.equal(none.out, 'no lines between 2026-11-22T10:00:00Z and 2026-11-22T11:00:00Z\n')
})

test('a query that cannot be read is pointed at, with exit code 2', async () => {
  const { code, out, notes } = await ops(['logs', 'search', 'order level:eror', ...span])
  assert.deepEqual([code, out], [2, ''])
  assert.match(
    notes,
    /ops-agent: query, column 13: 'eror' is no level.*\nops-agent: order level:eror\nops-agent: {13}\^\n$/,
  )
  assert.equal((await ops(['logs', 'aggregate', '--by', 'colour'])).code, 2)
})

test('lines are counted, and their patterns listed', async () => {
  const counted = await ops(['logs', 'aggregate', '--by', 'severity', ...span])
  assert.match(
    counted.out,
    /^lines {2}severity\n299 {4}info\n1 {6}error\n300 lines from 2026-11-22T10:00:00Z to 2026-11-22T11:00:00Z\n$/,
  )
  const hours = await ops(['logs', 'aggregate', 'order', '--by', 'service,time', '--bucket', '15m', '--json', ...span])
  const { groups } = JSON.parse(hours.out) as { groups: { count: number }[] }
  assert.deepEqual(
    groups.map(({ count }) => count),
    [150, 149],
  )
  const patterns = await ops(['logs', 'patterns', '--text', 'bank', ...span])
  assert.match(
    patterns.out,
    /^lines {2}pattern.*\n1 +[0-9a-f]+ {2}shop +error +2026-11-22T10:26:00Z +.*cannot reach the bank/,
  )
})

test('anomalies are told as they were detected, and in lines that are handed in', async () => {
  const stored = await ops(['logs', 'anomalies', '--json', ...span])
  const { anomalies } = JSON.parse(stored.out) as { anomalies: { direction: string; example: string }[] }
  assert.deepEqual(
    anomalies.map(({ direction }) => direction),
    ['new'],
  )
  assert.match(anomalies[0]!.example, /连接超时未响应/)
  const handed = await ops(['logs', 'anomalies', '-', '--service', 'shop'], lines.join('\n'))
  assert.equal(handed.code, 0, handed.notes)
  assert.match(handed.out, /an error never seen in 10m and more, 1 line/)
  assert.match(handed.out, /\n300 lines, \d+ patterns, 30 windows\n$/)
  await writeFile(join(folder, 'short.log'), lines.slice(0, 60).join('\n'))
  const short = await ops(['logs', 'anomalies', 'short.log'])
  assert.match(short.out, /^no anomalies\n60 lines, .*6 windows; bursts can be told after 15 windows\n$/)
  const missing = await ops(['logs', 'anomalies', 'none.log'])
  assert.deepEqual([missing.code, missing.out], [1, ''])
  assert.match(missing.notes, /^ops-agent: file 'none\.log': cannot be read \(ENOENT\); /)
  assert.match((await ops(['logs', 'anomalies', '-'])).notes, /^ops-agent: standard input: holds no line\n$/)
})
