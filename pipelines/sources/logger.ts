/** What is told to the people who run this process; pino's loggers fit. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  /** Odd, but nothing is lost. */
  warn(fields: object, message: string): void
  /** Something is lost, or someone must act. */
  error(fields: object, message: string): void
}
