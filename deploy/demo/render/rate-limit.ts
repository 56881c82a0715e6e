export interface RateLimit {
  /** Requests per window. */
  limit: number
  /** Length of a window in milliseconds. */
  window: number
}

export interface Allowance {
  allowed: boolean
  /** Render's rate limit headers, times in seconds. */
  headers: Record<string, string>
}

/** Counts requests in fixed windows, as Render's headers describe it. Without a limit, everything is allowed. */
export function limiter(rateLimit: RateLimit | undefined): (now: number) => Allowance {
  let used = 0
  let end = 0
  return now => {
    if (rateLimit === undefined) return { allowed: true, headers: {} }
    if (now >= end) {
      used = 0
      end = now + rateLimit.window
    }
    used += 1
    const reset = String(Math.ceil((end - now) / 1_000))
    const headers = {
      'RateLimit-Limit': String(rateLimit.limit),
      'RateLimit-Remaining': String(Math.max(0, rateLimit.limit - used)),
      'RateLimit-Reset': reset,
    }
    if (used <= rateLimit.limit) return { allowed: true, headers }
    return { allowed: false, headers: { ...headers, 'Retry-After': reset } }
  }
}
