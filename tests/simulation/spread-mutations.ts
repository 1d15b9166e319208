import type { Mutation } from './mutations.js'

const spread = ['spread'] as const

/** Mistakes in what several ledgers have to do with each other. */
export const spreadMutations: readonly Mutation[] = [
  {
    name: 'a ledger goes back to an older version of the topics, as an old view has them',
    worlds: spread,
    seeds: 40,
    edits: [
      {
        file: 'state/views/catalogue.js',
        find: 'if (to <= version)\n            return { version };',
        replace: '',
      },
    ],
  },
  {
    name: 'topics that came and went between two versions stay in a ledger',
    worlds: ['catalogue'],
    seeds: 200,
    edits: [{ file: 'state/views/catalogue.js', find: '|| (changedAt > from && !kept.has(id))', replace: '' }],
  },
  {
    name: 'a deleted topic is only forgotten in the other ledgers when there is a new one',
    worlds: spread,
    seeds: 40,
    edits: [
      { file: 'state/views/catalogue.js', find: 'if (home.byId(id) === undefined)', replace: 'if (topics.length > 0)' },
    ],
  },
  {
    name: "a ledger's collector takes the segments of others for garbage",
    worlds: ['shared'],
    seeds: 20,
    edits: [
      {
        file: 'state/log/collector.js',
        find: 'if (ledgerOfPartition(topicId, partition, ledgers) !== ledger)',
        replace: 'if (false)',
      },
    ],
  },
  {
    name: 'the tail of one ledger is taken for that of all',
    worlds: spread,
    seeds: 20,
    edits: [
      {
        file: 'state/many-ledgers.js',
        find: 'await Promise.all(proposers.map((proposer) => proposer.barrier()));',
        replace: 'await home.ledger.barrier();',
      },
    ],
  },
  {
    name: 'who changes a topic is answered before all ledgers know of it',
    worlds: ['catalogue'],
    seeds: 40,
    edits: [
      {
        file: 'state/ledgers/catalogue.js',
        find: 'await this.carry();\n        return outcome;',
        replace: 'void this.carry().catch(() => {});\n        return outcome;',
      },
    ],
  },
  {
    name: 'a snapshot does not say of which version the topics are',
    worlds: spread,
    seeds: 20,
    edits: [{ file: 'state/views/state.js', find: 'state.topics.version = version;', replace: '' }],
  },
]
