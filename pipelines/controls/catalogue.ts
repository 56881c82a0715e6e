import { isDeepStrictEqual } from 'node:util'
import type { ServiceCatalogue } from '../../operators/services.ts'
import type { Logger } from '../sources/logger.ts'
import type { Board } from './board.ts'

/** The service catalogue of a process: that of its own file, or else the one that was given to all. */
export function catalogueOf(
  file: string | undefined,
  own: ServiceCatalogue,
  board: Pick<Board, 'services'>,
  logger: Logger,
): ServiceCatalogue {
  const given = board.services()
  if (!given) return own
  if (file === undefined) return given.catalogue
  if (!isDeepStrictEqual(own, given.catalogue))
    logger.warn(
      { services: file, by: given.by },
      `services: '${file}' differs from the catalogue ${given.by} gave to all processes, and this one goes by its file; run ops-agent controls services with the newer`,
    )
  return own
}
