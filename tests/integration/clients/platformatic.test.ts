import { lookFor, nodeProgram } from '../tools.js'
import { clientSuite } from './scenarios.js'

// zstd: it takes Node's own, which Node 20 has not.
clientSuite('@platformatic/kafka', await lookFor('@platformatic/kafka', () => nodeProgram('platformatic-client')), {
  compressions: ['none', 'gzip', 'snappy', 'lz4'],
  assignors: ['roundrobin'],
})
