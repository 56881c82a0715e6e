import { readPatternSets } from '../../pipelines/evaluate/pattern-sets.ts'
import { redrawer, seeded } from '../../pipelines/evaluate/redraw.ts'

/** Makes lines, so many at a time, forever; no two passes have equal values in their variables. */
export type Lines = (count: number) => string[]

const shapes = [
  'user <*> logged in from 10.<*>.<*>.7 port <*> ssh2',
  'GET /api/v<*>/orders/<*>?page=<*> HTTP/1.1 status: <*> len: <*> time: 0.<*>',
  'Receiving block blk_-<*> src: /10.250.<*>.<*>:50010 dest: /10.251.<*>.<*>:50010',
  'task_<*>_0001_m_<*>_0 Task Transitioned from NEW to SCHEDULED',
  'connection to db-<*>.internal:5432 closed after <*> ms, pool size=<*> idle=<*>',
  'Failed password for invalid user <*> from 192.168.<*>.<*> port <*> ssh2',
  'level=info ts=2026-03-12T10:<*>:<*>Z msg="order placed" id=<*> total=<*>',
  'Cannot open channel to <*> at election address /10.10.34.<*>:3888',
]
const verbs = 'opened closed lost found moved sent read kept told made'.split(' ')
const things = 'door cart order batch queue lease shard quota route frame token'.split(' ')

/**
 * Lines of eight shapes that stay, and, a fifth of them, of shapes that live for 2,000 lines and never come again, so
 * that what is remembered must be forgotten.
 */
export function churningLines(): Lines {
  const random = seeded(1)
  let made = 0
  const one = (): string => {
    const epoch = Math.floor(made++ / 2_000)
    if (random() < 0.8) return shapes[Math.floor(random() * shapes.length)]!.replaceAll('<*>', () => drawn(random))
    const [verb, thing] = [random(), random()].map(value => Math.floor(value * 10)) as [number, number]
    return `${letters(epoch)} ${verbs[verb]} the ${things[thing]} ${drawn(random)} in ${letters(epoch * 7 + verb)}`
  }
  return count => Array.from({ length: count }, one)
}

/** The lines of labelled sets over and over, their variables drawn anew each time. */
export function redrawnLines(folder: string): Lines {
  const random = seeded(1)
  const all = readPatternSets(folder).flatMap(({ contents, templates }) => {
    const redrawers = new Map([...new Set(templates)].map(template => [template, redrawer(template)]))
    return contents.map((line, at) => ({ line, redraw: redrawers.get(templates[at]!)! }))
  })
  let next = 0
  return count =>
    Array.from({ length: count }, () => {
      const { line, redraw } = all[next++ % all.length]!
      return redraw(line, random)
    })
}

const drawn = (random: () => number): string => String(Math.floor(random() * 100_000))

/** A word for a number. */
function letters(value: number): string {
  let word = ''
  for (let left = value + 17; left > 0; left = Math.floor(left / 20)) word += `${'bcdfghklmnprstvwxzae'[left % 20]}o`
  return word
}
