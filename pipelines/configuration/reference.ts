import { stringify } from 'yaml'
import { z } from 'zod'
import { duration } from '../../operators/window.ts'
import { Config } from '../config.ts'
import { variableOf } from './environment.ts'
import { defaultOf, type Field, fieldsOf, shapeOf, variantsOf } from './fields.ts'

// What is written about the configuration, all from its schema.

/** deploy/config.schema.json, for editors. */
export const configJsonSchema = (): object => z.toJSONSchema(Config, { io: 'input' })

/** deploy/ops-agent.yaml: every setting at its default with its description; those without a default commented out. */
export function configYaml(): string {
  const head = [
    '# yaml-language-server: $schema=config.schema.json',
    '# Every setting of ops-agent at its default. A file needs only what differs; an empty one is right.',
    '# A variable such as OPS_LOG_BROKERS beats the file, and --set log.brokers=host:9092 beats both.',
    '# A secret is its text, { file: /run/secrets/x } or { env: NAME }. Durations: 250ms, 30s, 5m, 1h, 7d.',
  ]
  return `${[...head, '', ...yamlOf(shapeOf(Config) ?? {}, 0, false)].join('\n').trimEnd()}\n`
}

type Shape = NonNullable<ReturnType<typeof shapeOf>>

function yamlOf(shape: Shape, depth: number, off: boolean): string[] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    const variants = variantsOf(schema)
    const inner = shapeOf(schema)
    const gap = depth === 0 ? [''] : []
    if (variants) return [...variantLines(name, schema, depth), ...gap]
    if (inner) return [line(`${name}:`, depth, off), ...yamlOf(inner, depth + 1, off), ...gap]
    const [field] = fieldsOf(schema)
    return [...leafLines(name, field!, depth, off), ...gap]
  })
}

function variantLines(name: string, schema: z.core.$ZodType, depth: number): string[] {
  const { discriminator, options } = variantsOf(schema)!
  const chosen = (defaultOf(schema) as Record<string, unknown>)[discriminator]
  const [choice] = fieldsOf(schema)
  const lines = [...comment(choice!.description, depth), line(`${name}:`, depth, false)]
  for (const [value, option] of options) {
    const { [discriminator]: _, ...own } = shapeOf(option) ?? {}
    lines.push(line(`${discriminator}: ${value}`, depth + 1, value !== chosen))
    lines.push(...yamlOf(own, depth + 1, value !== chosen))
  }
  return lines
}

function leafLines(name: string, field: Field, depth: number, off: boolean): string[] {
  const choices = field.kind === 'choice' ? ` One of ${field.choices.join(', ')}.` : ''
  const value = field.default === undefined ? '' : ` ${written(field)}`
  return [
    ...comment(field.description + choices, depth),
    line(`${name}:${value}`, depth, off || field.default === undefined),
  ]
}

const line = (text: string, depth: number, off: boolean) => `${'  '.repeat(depth)}${off ? '# ' : ''}${text}`

const comment = (text: string, depth: number) => [`${'  '.repeat(depth)}# ${text}`]

const written = ({ kind, default: value }: Field): string =>
  kind === 'duration' && typeof value === 'number' ? duration(value) : flow(value)

const flow = (value: unknown): string =>
  stringify(value, { collectionStyle: 'flow', singleQuote: true, lineWidth: 0 }).trim()

/** README's table of settings. */
export function configTable(): string {
  const rows = fieldsOf(Config).map(field => {
    const choices = field.kind === 'choice' ? ` One of ${field.choices.map(code).join(', ')}.` : ''
    const when = field.when ? ` With ${code(`${field.when.path.join('.')}: ${field.when.value}`)}.` : ''
    const given = field.default === undefined ? '' : code(written(field))
    return `| ${code(field.path.join('.'))} | ${given} | ${code(variableOf(field.path))} | ${cell(field.description + choices + when)} |`
  })
  return ['| setting | default | variable | |', '|---|---|---|---|', ...new Set(rows)].join('\n')
}

const code = (text: string) => `\`${text}\``
const cell = (text: string) => text.replaceAll('|', '\\|')
