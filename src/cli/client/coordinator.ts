import type { Clock } from '../../base/clock.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import { FindCoordinator } from '../../protocol/messages/find-coordinator.js'
import type { Connection } from './connection.js'
import { KafkaError } from './errors.js'

/**
 * Resolves when the group has a coordinator. Where it is does not matter to us: every gateway coordinates every
 * group, and so does the one broker of a small Kafka, which may first have to make room for groups.
 * @throws KafkaError
 */
export async function awaitCoordinator(connection: Connection, group: string, clock: Clock): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const answer = await connection.request(FindCoordinator, { key: group, keyType: 0, coordinatorKeys: [group] })
    const { errorCode, errorMessage } = answer.coordinators[0] ?? answer
    if (errorCode === ErrorCode.NONE) return
    const mayCome = errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE
    if (!mayCome || attempt === 20) throw new KafkaError(`coordinator of group ${group}`, errorCode, errorMessage)
    await clock.sleep(250)
  }
}
