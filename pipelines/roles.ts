import type { Config } from './config.ts'
import { suggestion } from './configuration/closest.ts'
import { ConfigError } from './configuration/load.ts'

/** What the executor is called among the pipelines: it reads `ops.runs` as they read their topics. */
export const executorName = 'runs'

/**
 * The pipelines a process is to run, of all there are; `entry` stands for those that telemetry enters by.
 * @throws {ConfigError} one sentence, if there is no such pipeline or what is left out would run nowhere
 */
export function rolesOf(words: readonly string[], all: readonly string[], config: Config): ReadonlySet<string> {
  const entries = all.filter(name => name.startsWith('entry.'))
  const chosen = words.flatMap(word => {
    if (word === 'entry') return entries
    if (all.includes(word)) return [word]
    throw new ConfigError([`--pipelines: no pipeline '${word}'${suggestion(word, ['entry', ...all])}`])
  })
  const roles = new Set(chosen)
  const left = all.filter(name => !roles.has(name))
  if (left.length > 0) requireShared(config, '--pipelines', `${left.join(', ')} would run nowhere`)
  return roles
}

/** @throws {ConfigError} if the topics or the tables of a configuration are those of one process alone */
export function requireShared({ log, store }: Config, flag: string, consequence: string): void {
  const own = [...(log.in === 'kafka' ? [] : ['log']), ...(store.in === 'clickhouse' ? [] : ['store'])]
  if (own.length === 0) return
  const fix = own.map(door => (door === 'log' ? 'log.in=kafka' : 'store.in=clickhouse')).join(' and ')
  throw new ConfigError([
    `${flag}: the embedded ${own.join(' and ')} ${own.length === 1 ? 'belongs' : 'belong'} to one process, so ${consequence}; set ${fix}, or leave ${flag} out`,
  ])
}
