import { parse } from 'yaml'
import { distance } from './closest.ts'
import type { Field } from './fields.ts'

/** `log.sessionTimeout` is `OPS_LOG_SESSION_TIMEOUT`. */
export function variableOf(path: readonly string[]): string {
  return `OPS_${path.map(name => name.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase()).join('_')}`
}

/** A setting given outside a file: as the text says it, typed by its field. */
export interface Given {
  readonly path: readonly string[]
  readonly value: unknown
  /** What to call its source in a message. */
  readonly from: string
}

/**
 * The settings that environment variables give, each by its own name, a secret also by a file (`…_FILE`).
 * `suspects` are variables that are one slip away from a setting's name.
 */
export function fromEnvironment(
  fields: readonly Field[],
  env: Readonly<Record<string, string | undefined>>,
): { given: Given[]; suspects: { variable: string; meant: string }[] } {
  const given: Given[] = []
  const known = new Map<string, Field>()
  for (const field of fields) {
    const variable = variableOf(field.path)
    known.set(variable, field)
    if (field.kind === 'secret') known.set(`${variable}_FILE`, field)
  }
  for (const [variable, field] of known) {
    const text = env[variable]
    if (text === undefined || text === '') continue
    const value = variable === variableOf(field.path) ? typed(field, text) : { file: text }
    given.push({ path: field.path, value, from: `environment variable ${variable}` })
  }
  const suspects = Object.keys(env)
    .filter(variable => variable.startsWith('OPS_') && !known.has(variable) && variable !== 'OPS_CONFIG')
    .flatMap(variable => {
      const meant = [...known.keys()].find(name => distance(name, variable) <= 2)
      return meant ? [{ variable, meant }] : []
    })
  return { given, suspects }
}

/** A text as the value its field wants; what does not fit is left as text for the schema to complain of. */
export function typed(field: Field, text: string): unknown {
  if (field.kind === 'text' || field.kind === 'secret' || field.kind === 'choice') return text
  if (field.kind === 'number' || field.kind === 'duration')
    return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text
  if (field.kind === 'boolean')
    return { true: true, yes: true, '1': true, false: false, no: false, '0': false }[text.toLowerCase()] ?? text
  if (field.kind === 'list' && !/^\s*\[/.test(text))
    return text
      .split(',')
      .map(item => item.trim())
      .filter(item => item !== '')
  try {
    return parse(text)
  } catch {
    return text
  }
}
