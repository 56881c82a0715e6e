import type { z } from 'zod'
import { Duration } from '../../operators/window.ts'
import { SecretText } from './secret.ts'

// What a zod schema says about its fields. Names of environment variables, the reference, and which values are
// durations or secrets are all read from here, so that adding a field to a schema is adding it everywhere.

type Schema = z.core.$ZodType
type Definition = z.core.$ZodTypeDef & {
  innerType?: Schema
  in?: Schema
  out?: Schema
  element?: Schema
  valueType?: Schema
  options?: Schema[]
  discriminator?: string
  shape?: Record<string, Schema>
  defaultValue?: unknown
  entries?: Record<string, string>
  values?: unknown[]
  left?: Schema
  right?: Schema
  items?: Schema[]
}

const definitionOf = (schema: Schema): Definition => schema._zod.def as Definition

export type Kind = 'duration' | 'secret' | 'text' | 'number' | 'boolean' | 'choice' | 'list' | 'map'

/** One setting: a leaf of a schema. */
export interface Field {
  readonly path: readonly string[]
  readonly kind: Kind
  readonly description: string
  /** As it would be written; undefined: none, the setting may be absent or must be given. */
  readonly default: unknown
  readonly required: boolean
  readonly choices: readonly string[]
  /** The variant it belongs to, for example `{ path: ['log', 'in'], value: 'kafka' }`. */
  readonly when: { readonly path: readonly string[]; readonly value: string } | undefined
}

/** Whether a schema is `of`, seen through defaults, optionality and descriptions (which copy a schema). */
function is(schema: Schema, of: Schema): boolean {
  for (let at: Schema | undefined = schema; at; at = definitionOf(at).innerType ?? (at._zod.parent as Schema))
    if (at === of) return true
  return false
}
export const isDuration = (schema: Schema): boolean => is(schema, Duration)
export const isSecret = (schema: Schema): boolean => is(schema, SecretText)

const wrappers = new Set(['optional', 'default', 'prefault', 'nullable', 'readonly', 'catch', 'nonoptional'])

/** The schema without what wraps it: defaults, optionality, and the check behind a transform. */
export function unwrap(schema: Schema): Schema {
  const definition = definitionOf(schema)
  if (wrappers.has(definition.type) && definition.innerType) return unwrap(definition.innerType)
  if (definition.type === 'pipe' && definition.in && definition.out)
    return unwrap(definitionOf(definition.out).type === 'transform' ? definition.in : definition.out)
  return schema
}

function described(schema: Schema): string {
  const own = (schema as z.ZodType).description
  const inner = definitionOf(schema).innerType
  return own ?? (inner ? described(inner) : '')
}

/** The default as it would be written, whichever of `default` and `prefault` gives it. */
export function defaultOf(schema: Schema): unknown {
  const definition = definitionOf(schema)
  if (definition.type === 'default' || definition.type === 'prefault') return definition.defaultValue
  return definition.innerType ? defaultOf(definition.innerType) : undefined
}

const kinds: Record<string, Kind> = {
  string: 'text',
  number: 'number',
  boolean: 'boolean',
  enum: 'choice',
  literal: 'choice',
  array: 'list',
  record: 'map',
}

export function kindOf(schema: Schema): Kind {
  if (isDuration(schema)) return 'duration'
  if (isSecret(schema)) return 'secret'
  return kinds[definitionOf(unwrap(schema)).type] ?? 'text'
}

const literals = (schema: Schema | undefined): string[] => {
  if (!schema) return []
  const definition = definitionOf(unwrap(schema))
  return definition.entries ? Object.values(definition.entries) : (definition.values ?? []).map(String)
}

/** The variants of a discriminated union by the value that chooses them; undefined for any other schema. */
export function variantsOf(schema: Schema): { discriminator: string; options: Map<string, Schema> } | undefined {
  const { discriminator, options } = definitionOf(unwrap(schema))
  if (!discriminator || !options) return undefined
  return {
    discriminator,
    options: new Map(options.flatMap(option => literals(shapeOf(option)?.[discriminator]).map(name => [name, option]))),
  }
}

export const shapeOf = (schema: Schema): Record<string, Schema> | undefined => definitionOf(unwrap(schema)).shape

/** Every setting of a schema, in the order it is written; of a union first the choice, then each variant's own. */
export function fieldsOf(schema: Schema): Field[] {
  return walk(schema, [], undefined)
}

function walk(schema: Schema, path: readonly string[], when: Field['when']): Field[] {
  if (isDuration(schema) || isSecret(schema)) return [leaf(schema, path, when)]
  const variants = variantsOf(schema)
  if (variants) {
    const chooser = [...path, variants.discriminator]
    const chosen = (defaultOf(schema) as Record<string, unknown> | undefined)?.[variants.discriminator]
    const choice: Field = {
      path: chooser,
      kind: 'choice',
      description: described(schema),
      default: chosen,
      required: chosen === undefined,
      choices: [...variants.options.keys()],
      when,
    }
    const own = [...variants.options].flatMap(([value, option]) =>
      Object.entries(shapeOf(option) ?? {})
        .filter(([name]) => name !== variants.discriminator)
        .flatMap(([name, field]) => walk(field, [...path, name], { path: chooser, value })),
    )
    return [choice, ...own]
  }
  const shape = shapeOf(schema)
  if (shape) return Object.entries(shape).flatMap(([name, field]) => walk(field, [...path, name], when))
  return [leaf(schema, path, when)]
}

function leaf(schema: Schema, path: readonly string[], when: Field['when']): Field {
  return {
    path,
    kind: kindOf(schema),
    description: described(schema),
    default: defaultOf(schema),
    required: schema._zod.optin !== 'optional',
    choices: literals(schema),
    when,
  }
}

/**
 * A copy of a parsed value in which every duration of its schema is changed. Works on any schema built of objects,
 * arrays, records, unions and wrappers, so that a duration cannot be forgotten.
 */
export function mapDurations(schema: Schema, value: unknown, change: (ms: number) => number): unknown {
  if (value === undefined || value === null) return value
  if (isDuration(schema)) return typeof value === 'number' ? change(value) : value
  const inner = unwrap(schema)
  const definition = definitionOf(inner)
  const each = (child: Schema, item: unknown) => mapDurations(child, item, change)
  if (definition.options) {
    const option = optionFor(inner, value)
    return option ? each(option, value) : value
  }
  if (Array.isArray(value)) {
    const element = (at: number) => definition.items?.[at] ?? definition.element
    return value.map((item, at) => (element(at) ? each(element(at)!, item) : item))
  }
  if (definition.left && definition.right) return each(definition.right, each(definition.left, value))
  if (typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return value
  const child = (name: string) => definition.shape?.[name] ?? definition.valueType
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, child(name) ? each(child(name)!, item) : item]),
  )
}

function optionFor(union: Schema, value: unknown): Schema | undefined {
  const variants = variantsOf(union)
  if (variants) return variants.options.get(String((value as Record<string, unknown>)[variants.discriminator]))
  return definitionOf(union).options?.find(option => (option as z.ZodType).safeParse(value).success)
}
