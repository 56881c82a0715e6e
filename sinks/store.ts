/** One row as it is written: column names to JSON values. */
export type Row = Readonly<Record<string, unknown>>

export type Reason = 'unreachable' | 'overloaded' | 'rejected' | 'misconfigured'

/** A door did not take what it was given. `retryable`: waiting can help. */
export class SinkError extends Error {
  readonly code = 'OPS_SINK'
  readonly sink: string
  readonly reason: Reason
  constructor(sink: string, reason: Reason, message: string, options?: ErrorOptions) {
    super(`${sink}: ${reason}: ${message}`, options)
    this.name = 'SinkError'
    this.sink = sink
    this.reason = reason
  }
  get retryable(): boolean {
    return this.reason === 'unreachable' || this.reason === 'overloaded'
  }
}

/** The SQL door: ClickHouse inside this process (chdb) or a ClickHouse server, behind the same client. */
export interface Store {
  /** Where it is, for messages; never with credentials. */
  readonly address: string
  /**
   * Resolves once the rows are durable. Writing them again is harmless: rows with equal identity replace each other
   * (each table's ORDER BY is its identity).
   * @throws {SinkError}
   */
  insert(table: string, rows: readonly Row[]): Promise<void>
  /** Runs a query with bound parameters (`{name:Type}`); rows as JSON objects. @throws {SinkError} */
  query<T = Row>(sql: string, params?: Readonly<Record<string, unknown>>): Promise<T[]>
  /** Runs a statement that returns no rows. @throws {SinkError} */
  command(sql: string): Promise<void>
  /** Fails with what is wrong if the store could not be used now. Asked at start and by `/ready`. */
  check(): Promise<void>
  close(): Promise<void>
}
