import { SinkError } from '../../sinks/store.ts'

/** Our names of topics and the cluster's: a prefix before our own, other people's as they are. */
export class TopicNames {
  readonly #prefix: string
  readonly #foreign: ReadonlySet<string>

  constructor(prefix: string, foreign: readonly string[]) {
    this.#prefix = prefix
    this.#foreign = new Set(foreign)
  }

  /** The name in the cluster. @throws {SinkError} where prefixed it would be somebody else's topic */
  inKafka(topic: string): string {
    if (this.#foreign.has(topic)) return topic
    const name = this.#prefix + topic
    if (this.#foreign.has(name))
      throw new SinkError(
        'kafka',
        'misconfigured',
        `topic '${topic}' with the prefix '${this.#prefix}' is '${name}', a foreign topic; choose another log.prefix`,
      )
    return name
  }

  isForeign(topic: string): boolean {
    return this.#foreign.has(topic)
  }
}
