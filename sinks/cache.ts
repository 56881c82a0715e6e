/** The cache door: what it holds can be rebuilt, so losing all of it loses nothing. */
export interface Cache {
  readonly address: string
  get(key: string): Promise<string | undefined>
  /** Keeps the value for `ttl` milliseconds. */
  set(key: string, value: string, ttl: number): Promise<void>
  /** True for the one caller that set a key that was not there; it stays for `ttl` milliseconds. */
  claim(key: string, value: string, ttl: number): Promise<boolean>
  /** Adds one to a counter that starts at 0 and vanishes `ttl` milliseconds after its first increment. */
  increment(key: string, ttl: number): Promise<number>
  delete(key: string): Promise<void>
  check(): Promise<void>
  close(): Promise<void>
}
