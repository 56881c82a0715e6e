import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { test } from 'node:test'
import { readTime } from '../operators/parse.ts'
import { readLevel, readSeverity } from '../operators/severity.ts'
import { cellsOf } from '../pipelines/decode/csv.ts'
import { logCorpus } from './log-corpus.ts'

const reference = Date.parse('2026-11-22T12:00:00Z')
const linesOf = (path: string): string[] =>
  readFileSync(path, 'utf8')
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)

test('every line of eight systems has its time read, and its level where people have labelled it', async context => {
  const corpus = await logCorpus()
  context.diagnostic(`corpus: ${corpus.source}`)
  for (const path of globSync(corpus.glob)) {
    const lines = linesOf(path)
    const missing = lines.find(line => readTime(line, reference) === undefined)
    assert.equal(missing, undefined, path)
    const labels = levelsOf(`${path}_structured_corrected.csv`)
    const wrong = labels.filter((level, index) => level > 0 && readSeverity(lines[index]!) !== level).length
    const labelled = labels.filter(level => level > 0).length
    context.diagnostic(
      `${basename(path)}: ${lines.length} lines with a time, ${labelled - wrong} of ${labelled} levels`,
    )
    assert.equal(wrong, 0, path)
  }
  await corpus.remove()
})

/** The column `Level` of labelled lines, as numbers; 0 where it holds something else. */
function levelsOf(path: string): number[] {
  if (!existsSync(path)) return []
  const [heading = '', ...rows] = linesOf(path)
  const column = cellsOf(heading).indexOf('Level')
  return column < 0 ? [] : rows.map(row => readLevel(cellsOf(row)[column] ?? ''))
}
