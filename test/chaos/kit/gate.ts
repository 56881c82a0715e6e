import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/**
 * A gate before a server, on a port of its own: what goes through it can be stopped without touching the server.
 * Shut, it refuses connections; silent, it takes them and lets nothing through in either direction.
 */
export class Gate {
  readonly #to: URL
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #port = 0
  #silent = false

  private constructor(to: URL) {
    this.#to = to
    this.#server = createServer(socket => this.#pass(socket))
  }

  /** Opens a gate before the server at this address. */
  static async before(url: string): Promise<Gate> {
    const gate = new Gate(new URL(url))
    await gate.open()
    return gate
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Lets everything through, on the same port as before. */
  async open(): Promise<void> {
    this.#silent = false
    this.#cut()
    if (this.#server.listening) return
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Cuts what is under way, and refuses connections until `open`. */
  async shut(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#cut()
    await closed
  }

  /** From now on nothing comes through, and nobody is told. */
  silence(): void {
    this.#silent = true
    for (const socket of this.#sockets) socket.pause()
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #pass(outer: Socket): void {
    const inner = connect(Number(this.#to.port), this.#to.hostname)
    for (const [from, to] of [
      [outer, inner],
      [inner, outer],
    ] as const) {
      this.#sockets.add(from)
      from.on('data', chunk => to.write(chunk))
      from.on('error', () => from.destroy())
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
    }
    if (this.#silent) for (const socket of [outer, inner]) socket.pause()
  }
}
