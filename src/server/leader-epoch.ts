import { ErrorCode } from '../protocol/error-codes.js'

/** Partitions have no leader that could change: their epoch is always this. */
export const leaderEpoch = 0

/** What is wrong with the leader epoch a client takes for the current one (KIP-320); -1 says that it doesn't know. */
export function leaderEpochProblem(currentLeaderEpoch: number): ErrorCode {
  return currentLeaderEpoch > leaderEpoch ? ErrorCode.UNKNOWN_LEADER_EPOCH : ErrorCode.NONE
}
