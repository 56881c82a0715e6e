interface Outcome {
  at: number
  seconds: number
  failed: boolean
}

/** What a process can say of its last few seconds, for the status line of the demo; the agent never sees it. */
export class Recent {
  readonly #span: number
  #outcomes: Outcome[] = []

  /** `span`: how far back to look, in milliseconds. */
  constructor(span: number) {
    this.#span = span
  }

  add(seconds: number, failed: boolean): void {
    this.#outcomes.push({ at: Date.now(), seconds, failed })
    if (this.#outcomes.length > 2_000) this.#forget()
  }

  /** Durations in seconds; rates per second. */
  read(): { requestRate: number; errorRate: number; p95: number } {
    this.#forget()
    const durations = this.#outcomes.map(outcome => outcome.seconds).sort((a, b) => a - b)
    const perSecond = 1_000 / this.#span
    return {
      requestRate: durations.length * perSecond,
      errorRate: this.#outcomes.filter(outcome => outcome.failed).length * perSecond,
      p95: durations[Math.floor(durations.length * 0.95)] ?? 0,
    }
  }

  #forget(): void {
    const horizon = Date.now() - this.#span
    this.#outcomes = this.#outcomes.filter(outcome => outcome.at >= horizon)
  }
}
