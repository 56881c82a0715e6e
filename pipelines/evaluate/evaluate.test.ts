import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { predictTemplates } from './cluster-lines.ts'
import { csvField, parseCsv } from './csv.ts'
import { meanScores, patternScores } from './pattern-scores.ts'
import { readPatternSets } from './pattern-sets.ts'
import { redrawer, seeded } from './redraw.ts'

const folder = mkdtempSync(join(tmpdir(), 'ops-agent-evaluate-'))
after(() => rmSync(folder, { recursive: true }))

test('a perfect prediction has 1 everywhere', () => {
  const { ga, fga, pa, fta } = patternScores(['a', 'a', 'b'], ['a', 'a', 'b'])
  assert.deepEqual([ga, fga, pa, fta], [1, 1, 1, 1])
})

test('right groups with wrong texts score in groups alone', () => {
  const { ga, fga, pa, fta } = patternScores(['a', 'a', 'b', 'c'], ['x', 'x', 'y', 'c'])
  assert.deepEqual([ga, fga, pa, fta], [1, 1, 0.25, 1 / 3])
})

test('a group that was split, and two that were joined, are worked out by hand', () => {
  // a (4 lines) is split 3 to 1; b and c are joined under the text of b; d is right.
  const truth = ['a', 'a', 'a', 'a', 'b', 'c', 'd', 'd']
  const predicted = ['a', 'a', 'a', 'A', 'b', 'b', 'd', 'd']
  const scores = patternScores(truth, predicted)
  assert.deepEqual(scores.templates, { found: 4, true: 4 })
  assert.equal(scores.ga, 2 / 8)
  assert.equal(scores.fga, 1 / 4)
  assert.equal(scores.pa, 6 / 8)
  // Of the predicted a, A, b, d all lines of a are truly a, and of d truly d: 2 of 4 and 2 of 4.
  assert.equal(scores.fta, 2 / 4)
})

test('nothing right is 0, not a division by it', () => {
  const { ga, fga, pa, fta } = patternScores(['a', 'b'], ['x', 'x'])
  assert.deepEqual([ga, fga, pa, fta], [0, 0, 0, 0])
})

test('the mean is over systems, whatever their sizes', () => {
  const right = patternScores(['a'], ['a'])
  const wrong = patternScores(['a', 'b', 'c'], ['x', 'x', 'x'])
  assert.deepEqual(meanScores([right, wrong]), { ga: 0.5, fga: 0.5, pa: 0.5, fta: 0.5 })
})

test('a CSV text is read back as it was written, whatever is in its fields', () => {
  const field = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' '), maxLength: 6 })
  fc.assert(
    fc.property(fc.array(fc.array(field, { minLength: 2, maxLength: 3 }), { minLength: 1 }), rows => {
      const text = rows.map(row => row.map(csvField).join(',')).join('\r\n')
      assert.deepEqual(parseCsv(`${text}\n`), rows)
    }),
  )
  assert.deepEqual(parseCsv('﻿a,b\n1,say "x"\n2,\n'), [
    ['a', 'b'],
    ['1', 'say "x"'],
    ['2', ''],
  ])
})

test('the sets of a folder: the corrected file of two, in order of their names', () => {
  for (const name of ['B', 'A', 'notes']) mkdirSync(join(folder, name))
  writeFileSync(join(folder, 'A', 'A.log_structured.csv'), 'LineId,Content,EventTemplate\n7,"a, 1","a, <*>"\n')
  writeFileSync(join(folder, 'B', 'B.log_structured.csv'), 'Content,EventTemplate\nold,old\n')
  writeFileSync(join(folder, 'B', 'B.log_structured_corrected.csv'), 'Content,EventTemplate\nb 2,b <*>\n')
  assert.deepEqual(readPatternSets(folder), [
    { name: 'A', ids: ['7'], contents: ['a, 1'], templates: ['a, <*>'] },
    { name: 'B', ids: ['1'], contents: ['b 2'], templates: ['b <*>'] },
  ])
  assert.equal(readPatternSets(join(folder, 'A'))[0]!.name, 'A')
})

test('a wrong folder, a missing column and a short row are told in one sentence', () => {
  assert.throws(() => readPatternSets(join(folder, 'none')), /cannot read the folder .*none.*; correct the path$/)
  assert.throws(
    () => readPatternSets(join(folder, 'notes')),
    /^CommandError: no labelled lines in .*notes; give a folder/,
  )
  const wrong = mkdtempSync(join(folder, 'wrong-'))
  const path = join(wrong, 'x_structured.csv')
  writeFileSync(path, 'Content,Template\na,a\n')
  assert.throws(
    () => readPatternSets(wrong),
    /has no column EventTemplate, only Content, Template; give a file with it$/,
  )
  writeFileSync(path, 'Content,EventTemplate\na\n')
  assert.throws(() => readPatternSets(wrong), /row 2 has 1 of 2 columns; correct the file$/)
})

test('a line is predicted by what its pattern has become after the last line', () => {
  const names = ['anna', 'bert', 'carl', 'dora', 'emil']
  const predicted = predictTemplates('x', [...names.map(name => `access for ${name} denied`), 'disk 1 full'])
  assert.deepEqual(predicted, [...names.map(() => 'access for <*> denied'), 'disk <*> full'])
})

test('a redrawn line fits its template and differs in its variables alone', () => {
  const redraw = redrawer('from <*> port <*> for <*>')
  const random = seeded(1)
  const line = redraw('from 10.0.0.1 port 22 for anna', random)
  assert.match(line, /^from \d\d\.\d\.\d\.\d port \d\d for [a-z]{4}$/)
  assert.notEqual(line, redraw('from 10.0.0.1 port 22 for anna', random))
  assert.match(redraw('something else 42', random), /^something else \d\d$/)
})
