import { goProgram, lookFor } from '../tools.js'
import { clientSuite } from './scenarios.js'

clientSuite('franz-go', await lookFor('franz-go', goProgram), {
  compressions: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
  assignors: ['range', 'cooperative-sticky'],
})
