import type { Mutation } from './mutations.js'

/** Mistakes in the ledger's clock, and in forgetting writers. */
export const ageMutations: readonly Mutation[] = [
  {
    name: 'a tick of the clock counts though another came before it',
    worlds: ['mayflies', 'upkeep'],
    seeds: 40,
    edits: [{ file: 'state/views/ledger-clock.js', find: 'if (from !== clock.ticks)', replace: 'if (from < 0)' }],
  },
  {
    name: 'a tick counts time that an earlier one has counted',
    worlds: ['mayflies', 'upkeep'],
    seeds: 20,
    edits: [
      {
        file: 'state/log/ticker.js',
        find: 'this.#ticks = ticks;\n        this.#sinceMs = this.#options.clock.monotonic();',
        replace: 'this.#ticks = ticks;',
      },
    ],
  },
  {
    name: 'time passes only for who lives as long as the grace',
    worlds: ['mayflies'],
    seeds: 10,
    edits: [{ file: 'state/log/ticker.js', find: 'if (ms < this.#tickMs *', replace: 'if (ms < 8 * this.#tickMs *' }],
  },
  {
    name: 'time passes as the wall clock says',
    worlds: ['upkeep'],
    seeds: 60,
    edits: [
      {
        file: 'state/log/ticker.js',
        find: 'this.#ticks = ticks;\n        this.#sinceMs = this.#options.clock.monotonic();',
        replace:
          'this.#ticks = ticks;\n        this.#sinceMs = this.#options.proposer.state.writers.lastTimeMs(1) ?? 0;',
      },
      {
        file: 'state/log/ticker.js',
        find: 'Math.floor(clock.monotonic() - this.#sinceMs)',
        replace: 'Math.floor(clock.now() - this.#sinceMs)',
      },
    ],
  },
  {
    name: 'a snapshot forgets what the clock said',
    worlds: ['mayflies'],
    seeds: 10,
    edits: [{ file: 'state/views/slices.js', find: 'state.clock = LedgerClock.fromSnapshot(clock);', replace: '' }],
  },
  {
    name: 'forget writers though they have written since',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/log/presence.js',
        find: '&& state.writers.lastIndex(each) === index',
        replace: '',
      },
      {
        file: 'state/views/writers.js',
        find: 'if (this.#writers.get(writer)?.lastIndex !== lastIndex)',
        replace: 'if (!this.#writers.has(writer))',
      },
    ],
  },
  {
    name: 'forget writers that were silent for a moment',
    worlds: ['mayflies', 'upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/log/presence.js',
        find: 'state.clock.before(trimGraceMs)',
        replace: 'state.clock.before(trimGraceMs / 20)',
      },
    ],
  },
  {
    name: 'who has nothing to write gives no sign of life',
    worlds: ['upkeep', 'mayflies'],
    seeds: 20,
    edits: [
      {
        file: 'state/log/presence.js',
        find: 'if (state.writers.lastIndex(writer) === this.#ownIndex)',
        replace: 'if (this.#ownIndex < 0)',
      },
    ],
  },
  {
    name: 'a writer that was forgotten counts again',
    worlds: ['mayflies'],
    seeds: 60,
    edits: [
      { file: 'state/views/writers.js', find: 'if (this.isForgotten(writer))\n            return false;', replace: '' },
    ],
  },
  {
    name: 'who was forgotten is not known to have been',
    worlds: ['mayflies'],
    seeds: 60,
    edits: [
      {
        file: 'state/views/writers.js',
        find: 'this.newFrom = Math.max(this.newFrom, writer + 1);',
        replace: '',
      },
    ],
  },
  {
    name: 'writers that are gone are never forgotten',
    worlds: ['mayflies'],
    seeds: 10,
    edits: [{ file: 'state/log/presence.js', find: 'if (silent.length === 0)', replace: 'if (silent.length >= 0)' }],
  },
]
