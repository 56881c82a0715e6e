import type { Clock } from '../../operators/clock.ts'
import { SinkError } from '../../sinks/store.ts'
import type { Logger } from '../sources/logger.ts'

export interface RetryOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
  /** Numbers in [0, 1). */
  readonly random: () => number
  /** Longest wait between two tries, in milliseconds. */
  readonly longest?: number
}

/**
 * Tries until it works, waiting longer each time (exponential, with full jitter), as long as waiting can help.
 * Says so once when it begins to fail, when the failure changes, and when it works again.
 * @throws what `work` threw, if a retry cannot help or the signal is aborted
 */
export async function retry<T>(what: string, work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock, logger, signal, random, longest = 10_000 } = options
  let said = ''
  for (let attempt = 0; ; attempt++) {
    try {
      const result = await work()
      if (said) logger.info({ what, attempts: attempt + 1 }, `${what}: works again`)
      return result
    } catch (error) {
      if (!(error instanceof SinkError) || !error.retryable || signal.aborted) throw error
      if (error.message !== said) logger.warn({ what, reason: error.reason }, `${what}: ${error.message}; trying again`)
      said = error.message
      await clock.sleep(random() * Math.min(longest, 100 * 2 ** attempt), signal)
      if (signal.aborted) throw error
    }
  }
}
