import type { Writable } from 'node:stream'
import { stripVTControlCharacters, styleText } from 'node:util'

type Format = Parameters<typeof styleText>[0]

export interface Terminal extends Writable {
  isTTY?: boolean
  columns?: number
}

/** Milliseconds between two status lines where nothing can be redrawn. */
const plainEvery = 10_000

/**
 * Shows what happens. On a terminal: lines that stay, and below them a panel that is redrawn in place. Elsewhere:
 * lines with the time since the start, and a status line now and then.
 */
export class Screen {
  readonly #out: Terminal
  readonly #now: () => number
  readonly #started: number
  #drawn = 0
  #statusAt = Number.NEGATIVE_INFINITY

  constructor(out: Terminal, now: () => number) {
    this.#out = out
    this.#now = now
    this.#started = now()
  }

  /** Colours, where the terminal has them and NO_COLOR does not forbid them. */
  style(format: Format, text: string): string {
    return styleText(format, text, { stream: this.#out })
  }

  /** Minutes and seconds since the start. */
  elapsed(): string {
    const seconds = Math.floor((this.#now() - this.#started) / 1_000)
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
  }

  /** A line that stays. */
  say(text: string): void {
    this.#erase()
    this.#out.write(`${this.style('dim', this.elapsed().padStart(5))}  ${text}\n`)
  }

  /** Lines that stay, without the time. */
  write(lines: readonly string[]): void {
    this.#erase()
    this.#out.write(`${lines.join('\n')}\n`)
  }

  /** Shows the state of things: the panel, or, where there is none, `summary` every ten seconds. */
  status(panel: () => readonly string[], summary: () => string): void {
    if (this.#out.isTTY) this.#redraw(panel())
    else if (this.#now() - this.#statusAt >= plainEvery) {
      this.#statusAt = this.#now()
      this.say(summary())
    }
  }

  /** Takes the panel away. */
  clear(): void {
    this.#erase()
  }

  #redraw(lines: readonly string[]): void {
    const width = (this.#out.columns ?? 80) - 1
    this.#erase()
    // A line that wraps would not be erased whole.
    this.#out.write(lines.map(line => `${cut(line, width)}\n`).join(''))
    this.#drawn = lines.length
  }

  #erase(): void {
    if (this.#drawn > 0) this.#out.write(`\x1b[${this.#drawn}A\x1b[0J`)
    this.#drawn = 0
  }
}

/** The text, or if it is wider than `width` its beginning without colours. */
function cut(text: string, width: number): string {
  const plain = stripVTControlCharacters(text)
  return plain.length <= width ? text : `${plain.slice(0, width - 1)}…`
}
