import { z } from 'zod'
import type { Row, Store } from './store.ts'

/** A named read: what may be asked, the SQL, and what a row is. Route, document and test are derived from it. */
export interface Query<Params extends z.ZodObject = z.ZodObject, Result extends z.ZodType = z.ZodType> {
  readonly name: string
  /** One sentence. */
  readonly summary: string
  readonly params: Params
  /** How a row as the store gives it becomes a result, with the type of that. */
  readonly row: Result
  /** Parameters bound as `{name:Type}`, never put into the text; each column named. */
  readonly sql: string
  /** The values to bind, made from the parameters; absent: the parameters as they are. */
  readonly bind?: (params: z.output<Params>) => Readonly<Record<string, unknown>>
}

export const query = <Params extends z.ZodObject, Result extends z.ZodType>(
  definition: Query<Params, Result>,
): Query<Params, Result> => definition

/**
 * Asks a store.
 * @throws {SinkError} if the store does not answer
 * @throws {Error} naming the query and the column, if a row is not what the query says: tables and query have parted
 */
export async function ask<Params extends z.ZodObject, Result extends z.ZodType>(
  store: Store,
  { name, sql, row, bind }: Query<Params, Result>,
  params: z.output<Params>,
): Promise<z.output<Result>[]> {
  const rows = await store.query<Row>(sql, bind ? bind(params) : params)
  return rows.map(found => {
    const parsed = row.safeParse(found)
    if (!parsed.success) throw new Error(`query ${name}: ${z.prettifyError(parsed.error)}`)
    return parsed.data
  })
}

/** A row whose column `body` holds JSON text, as the value it holds. */
export const bodyOf = <Value>(schema: z.ZodType<Value>) =>
  z.object({ body: z.string() }).transform((row, context): Value => {
    const parsed = schema.safeParse(JSON.parse(row.body))
    if (parsed.success) return parsed.data
    context.addIssue({ code: 'custom', path: ['body'], message: z.prettifyError(parsed.error) })
    return z.NEVER
  })
