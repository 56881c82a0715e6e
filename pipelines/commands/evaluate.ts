import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { predictTemplates, timeClustering } from '../evaluate/cluster-lines.ts'
import { csvField } from '../evaluate/csv.ts'
import { type Means, meanScores, type PatternScores, patternScores } from '../evaluate/pattern-scores.ts'
import { type PatternSet, readPatternSets } from '../evaluate/pattern-sets.ts'
import { redrawer, seeded } from '../evaluate/redraw.ts'
import { type Command, CommandError, json } from './command.ts'
import { columns } from './help.ts'
import { progress } from './progress.ts'

/** As many lines are clustered for the measurement of speed, all sets together. */
const timedLines = 400_000

const patterns: Command = {
  name: 'evaluate patterns',
  summary: 'Scores the clustering of log lines on labelled sets, as the stream would do it.',
  details: [
    'DIR has one folder per system with a *_structured*.csv in the layout of Loghub: the columns Content and EventTemplate.',
    'GA and PA are shares of lines, FGA and FTA harmonic means over templates; the speed is that of the clustering alone, by CPU time.',
  ],
  arguments: [{ name: 'DIR', summary: 'Folder with the labelled sets.' }],
  flags: [
    { name: 'predictions', value: 'OUT', summary: 'Folder to write each predicted template to, one CSV per system.' },
    json,
  ],
  examples: [
    'ops-agent evaluate patterns loghub-2.0',
    'ops-agent evaluate patterns loghub-2.0 --json --predictions out',
  ],
  async run(call, context) {
    const sets = readPatternSets(resolve(context.cwd, call.arguments[0]!))
    const out = call.text('predictions')
    const scores: Record<string, PatternScores> = {}
    const shown = progress(context)
    const total = sets.reduce((sum, { contents }) => sum + contents.length, 0)
    let done = 0
    for (const set of sets) {
      const predicted = predictTemplates(set.name, set.contents)
      scores[set.name] = patternScores(set.templates, predicted)
      if (out !== undefined) writePredictions(resolve(context.cwd, out), set, predicted)
      done += set.contents.length
      shown.show({ what: 'clustering', done, total, unit: 'lines' })
    }
    const linesPerSecond = speedOf(sets)
    shown.finish()
    const mean = meanScores(Object.values(scores))
    const peakRssMb = Math.round(process.resourceUsage().maxRSS / 1_024)
    const result = { sets: scores, mean, linesPerSecond, peakRssMb }
    context.out(call.is('json') ? `${JSON.stringify(result)}\n` : table(scores, mean, linesPerSecond, peakRssMb))
  },
}

export const evaluate: readonly Command[] = [patterns]

function writePredictions(folder: string, { name, ids }: PatternSet, predicted: readonly string[]): void {
  const rows = predicted.map((template, at) => `${csvField(ids[at]!)},${csvField(template)}\n`)
  try {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `${name}.csv`), `LineId,EventTemplate\n${rows.join('')}`)
  } catch (error) {
    throw new CommandError(`cannot write to ${folder}: ${(error as Error).message}; give another --predictions`)
  }
}

/** Lines a second of CPU time of the clustering step, the variables of each line drawn anew in each pass. */
function speedOf(sets: readonly PatternSet[]): number {
  const random = seeded(1)
  const share = Math.ceil(timedLines / sets.length)
  let spent = 0
  let lines = 0
  for (const { name, contents, templates } of sets) {
    const redrawers = new Map([...new Set(templates)].map(template => [template, redrawer(template)]))
    const few = contents.slice(0, share)
    const passes = Array.from({ length: Math.ceil(share / few.length) }, () =>
      few.map((line, at) => redrawers.get(templates[at]!)!(line, random)),
    )
    spent += timeClustering(name, passes, () => process.cpuUsage().user / 1_000)
    lines += few.length * passes.length
  }
  return Math.round((lines * 1_000) / Math.max(spent, 1))
}

function table(scores: Record<string, PatternScores>, mean: Means, linesPerSecond: number, peakRssMb: number): string {
  const cells = ({ ga, fga, pa, fta }: Means) => [ga, fga, pa, fta].map(value => value.toFixed(3))
  const rows = Object.entries(scores).map(([name, score]) => [
    name,
    ...cells(score),
    String(score.lines),
    `${score.templates.found} of ${score.templates.true}`,
  ])
  const speed = `${linesPerSecond.toLocaleString('en-US')} lines/s, ${peakRssMb} MB at most`
  return `${columns(['set', 'GA', 'FGA', 'PA', 'FTA', 'lines', 'templates'], [...rows, ['mean', ...cells(mean), '', '']])}\n${speed}\n`
}
