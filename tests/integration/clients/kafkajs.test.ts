import { lookFor, nodeProgram } from '../tools.js'
import { clientSuite } from './scenarios.js'

// zstd: kafkajs has none, and Node 20 neither.
clientSuite('kafkajs', await lookFor('kafkajs', () => nodeProgram('kafkajs-client')), {
  compressions: ['none', 'gzip', 'snappy', 'lz4'],
  assignors: ['roundrobin'],
})
