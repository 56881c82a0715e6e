import { setTimeout as delay } from 'node:timers/promises'

/** Stands in for work that waits for something: a disk, a bank, a mail server. */
export const pause = (milliseconds: number): Promise<void> => delay(milliseconds)
