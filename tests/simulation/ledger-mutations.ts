import type { Mutation } from './mutations.js'

const ledger = ['ledger', 'lonely'] as const

/** Mistakes in the ledger, its views, groups and leases. */
export const ledgerMutations: readonly Mutation[] = [
  {
    name: 'skip the writer-index rule',
    worlds: ledger,
    seeds: 50,
    edits: [
      {
        file: 'state/views/writers.js',
        find: 'if (index !== (known?.lastIndex ?? 0) + 1)',
        replace: 'if (index < 0)',
      },
    ],
  },
  {
    name: 'answer before the ledger has ordered it',
    worlds: ledger,
    seeds: 20,
    edits: [
      {
        file: 'state/log/logs.js',
        find: 'append: (batches) => ledger.append(batches),',
        replace: `append: (batches) => {
          ledger.append(batches).catch(() => {});
          return Promise.resolve(batches.map(({ topicId, partition }) => ({
            errorCode: 0, baseOffset: logOf(topicId, partition)?.endOffset ?? 0, logStartOffset: 0,
          })));
        },`,
      },
    ],
  },
  {
    name: 'take a failed put for not stored, and place the part elsewhere under a new index',
    worlds: ledger,
    seeds: 50,
    edits: [
      {
        file: 'state/ledger/insistent-put.js',
        find: 'onFailure(error);',
        replace: "onFailure(error);\nif (key.startsWith('ledger/')) return 'failed';",
      },
      {
        file: 'state/ledger/committer.js',
        find: 'placement.isAnswered = true;',
        replace: `placement.isAnswered = true;
        if (outcome === 'failed') {
            this.#placements.displace(sequence);
            this.#placements.forget(sequence);
            this.#place = Math.min(this.#place, sequence);
            for (const pending of placement.own) {
                this.#pending.delete(pending.part.index);
                pending.part = { ...pending.part, index: ++this.#lastIndex };
                this.#pending.set(pending.part.index, pending);
            }
            return;
        }`,
      },
    ],
  },
  {
    name: 'take "exists" for our own success',
    worlds: ledger,
    seeds: 20,
    edits: [
      { file: 'state/ledger/committer.js', find: "if (outcome === 'created') {", replace: "if (outcome !== 'moot') {" },
    ],
  },
  {
    name: 'skip a hole in the ledger',
    worlds: ledger,
    seeds: 20,
    edits: [
      {
        file: 'state/ledger/fold.js',
        find: 'const entry = this.#ready.get(this.next);',
        replace:
          'if (!this.#ready.has(this.next) && this.#ready.size > 0) this.next = Math.min(...this.#ready.keys());\nconst entry = this.#ready.get(this.next);',
      },
    ],
  },
  {
    name: 'a snapshot says that it is of the entry after',
    worlds: ledger,
    seeds: 20,
    edits: [
      {
        file: 'state/ledger/ledger.js',
        find: 'this.#storeSnapshot(this.sequence)',
        replace: 'this.#storeSnapshot(this.sequence + 1)',
      },
    ],
  },
  {
    name: 'a snapshot forgets the producers',
    worlds: ledger,
    seeds: 20,
    edits: [
      {
        file: 'state/views/partition-log.js',
        find: 'log.producers = ProducerSequences.fromSnapshot(producers);',
        replace: '',
      },
    ],
  },
  {
    name: 'drop a part that lost its place',
    worlds: ledger,
    seeds: 20,
    edits: [
      {
        file: 'state/ledger/committer.js',
        find: 'const isDisplaced = this.#placements.displace(sequence);',
        replace: `for (const [index, pending] of this.#pending)
            if (pending.sequence === sequence && entry.writer !== this.#options.writer) this.#pending.delete(index);
        const isDisplaced = this.#placements.displace(sequence);`,
      },
    ],
  },
  {
    name: 'drop a part for which the next place is to be tried at once',
    worlds: ['machine'],
    seeds: 20,
    edits: [
      {
        file: 'state/ledger/committer.js',
        find: "if (this.#options.store.kind === 'local')",
        replace: `for (const { part } of placement.own) this.#pending.delete(part.index);
            if (this.#options.store.kind === 'local')`,
      },
    ],
  },
  {
    name: 'give a part another index when it is placed again',
    worlds: ledger,
    seeds: 20,
    edits: [
      {
        file: 'state/ledger/committer.js',
        find: 'const isDisplaced = this.#placements.displace(sequence);',
        replace: `for (const [index, pending] of [...this.#pending]) {
            if (pending.sequence !== sequence) continue;
            this.#pending.delete(index);
            pending.part = { ...pending.part, index: ++this.#lastIndex };
            this.#pending.set(pending.part.index, pending);
        }
        const isDisplaced = this.#placements.displace(sequence);`,
      },
    ],
  },
  {
    name: 'the sequencer changes the commands of a part that it carries',
    worlds: ['ledger'],
    seeds: 30,
    edits: [
      {
        file: 'state/ledger/lanes.js',
        find: 'const carried = { ...part, lanePosition: bodyPosition };',
        replace: `const { pack, unpack } = await import('./entry.js');
        const commands = unpack(part.commands);
        for (let at = 0; at < commands.length; at += 3) if (commands[at] === 'append') commands[at + 1].batches[3]++;
        const carried = { ...part, commands: pack(commands), lanePosition: bodyPosition };`,
      },
    ],
  },
  {
    name: 'the sequencer takes the parts of a lane out of their order',
    worlds: ['ledger'],
    seeds: 50,
    edits: [
      {
        file: 'state/ledger/lanes.js',
        find: 'const part = found.get(index);',
        replace: 'const part = found.get(index) ?? found.get(index + 1);',
      },
      {
        file: 'state/views/writers.js',
        find: 'if (index !== (known?.lastIndex ?? 0) + 1)',
        replace: 'if (index <= (known?.lastIndex ?? 0))',
      },
    ],
  },
  {
    name: 'two processes may claim one writer number',
    worlds: ledger,
    seeds: 100,
    edits: [{ file: 'state/ledger/identity.js', find: 'failure = error;', replace: 'failure = error;\nreturn claim;' }],
  },
  {
    name: 'Fetch refuses without a barrier',
    worlds: ['ledger', 'topics'],
    seeds: 50,
    edits: [{ file: 'server/handlers/fetch.js', find: 'await cluster.barrier();', replace: '' }],
  },
  {
    name: 'Produce refuses without a barrier',
    worlds: ['topics', 'ledger'],
    seeds: 50,
    edits: [{ file: 'server/handlers/produce.js', find: 'await context.cluster.barrier();', replace: '' }],
  },
  {
    name: 'ListOffsets answers without a barrier',
    worlds: ledger,
    seeds: 20,
    edits: [{ file: 'server/handlers/list-offsets.js', find: 'await context.cluster.barrier();', replace: '' }],
  },
  {
    name: 'OffsetFetch answers without a barrier',
    worlds: ['groups', 'fellowship'],
    seeds: 100,
    edits: [
      {
        file: 'state/groups/coordinator.js',
        find: 'await this.#proposer.barrier();\n            return ErrorCode.NONE;',
        replace: 'return ErrorCode.NONE;',
      },
    ],
  },
  {
    name: 'a barrier joins a look at the tail that has already begun',
    worlds: [...ledger, 'groups'],
    seeds: 100,
    edits: [
      {
        file: 'state/ledger/barrier.js',
        find: 'this.#following ??= this.#current.then(',
        replace: 'return this.#current;\nthis.#following ??= this.#current.then(',
      },
    ],
  },
  {
    name: 'the tail counts as seen where nobody looked',
    worlds: ledger,
    seeds: 100,
    edits: [
      { file: 'state/ledger/follower.js', find: 'if (found[missing] === false)', replace: 'if (!found[missing])' },
    ],
  },
  {
    name: 'heartbeats are answered from a state of any age',
    worlds: ['islands'],
    seeds: 100,
    edits: [
      {
        file: 'state/groups/coordinator.js',
        find: 'this.#proposer.tailAgeMs() <= Math.min((member?.sessionTimeoutMs ?? 0) / 3, 3000)',
        replace: 'this.#proposer.tailAgeMs() >= 0',
      },
    ],
  },
  {
    name: 'expire a member though it has given a sign of life since',
    worlds: ['groups', 'fellowship', 'storm'],
    seeds: 200,
    edits: [
      {
        file: 'state/views/groups.js',
        find: 'if (member?.session.armedAt !== command.armedAt)',
        replace: 'if (member === undefined)',
      },
    ],
  },
  {
    name: 'a commit that its client has given up takes the place of a later one',
    worlds: ['groups', 'storm'],
    seeds: 100,
    edits: [
      {
        file: 'state/views/offsets.js',
        find: 'stored.position >= after',
        replace: 'stored.position > state.position',
      },
    ],
  },
  {
    name: 'a member that comes from another instance is not made known',
    worlds: ['fellowship'],
    seeds: 200,
    edits: [
      {
        file: 'state/groups/sessions.js',
        find: 'this.#hasNewcomers = true;\n            this.#touchWithin(0);',
        replace: '',
      },
    ],
  },
  {
    name: 'accept a commit of an old generation',
    worlds: ['groups', 'fellowship'],
    seeds: 200,
    edits: [
      {
        file: 'state/views/offsets.js',
        find: 'if (generationId !== group.generationId)',
        replace: 'if (generationId > group.generationId)',
      },
    ],
  },
  {
    name: 'a rebalance keeps the generation',
    worlds: ['fellowship'],
    seeds: 20,
    edits: [
      {
        file: 'state/views/group-rebalance.js',
        find: 'group.generationId++;',
        replace: 'group.generationId ||= 1;',
      },
    ],
  },
  {
    name: 'anybody may renew a lease',
    worlds: ['leases'],
    seeds: 200,
    edits: [
      {
        file: 'state/views/leases.js',
        find: 'if (lease === undefined || lease.holder !== place.writer || lease.term !== term)\n                return false;',
        replace: 'if (lease === undefined)\n                return false;',
      },
    ],
  },
  {
    name: 'take a lease though it has been renewed',
    worlds: ['leases'],
    seeds: 200,
    edits: [
      {
        file: 'state/views/leases.js',
        find: 'lease.renewedAt !== seenPosition)',
        replace: 'seenPosition === null)',
      },
    ],
  },
  {
    name: 'a commit under a lost lease counts',
    worlds: ['leases'],
    seeds: 200,
    edits: [
      {
        file: 'state/views/leases.js',
        find: 'lease.holder !== null && lease.term === term',
        replace: 'lease.holder !== null',
      },
    ],
  },
  {
    name: 'remember no batches of an idempotent producer',
    worlds: ledger,
    seeds: 20,
    edits: [
      {
        file: 'state/views/producer-sequences.js',
        find: 'const batchesRemembered = 5;',
        replace: 'const batchesRemembered = 0;',
      },
    ],
  },
  {
    name: 'remember one batch of an idempotent producer',
    worlds: ledger,
    seeds: 50,
    edits: [
      {
        file: 'state/views/producer-sequences.js',
        find: 'const batchesRemembered = 5;',
        replace: 'const batchesRemembered = 1;',
      },
    ],
  },
  {
    name: 'answer a duplicate with the end of the log',
    worlds: ledger,
    seeds: 20,
    edits: [
      {
        file: 'state/views/partition-log.js',
        find: 'baseOffset: check.baseOffset',
        replace: 'baseOffset',
      },
    ],
  },
  {
    name: 'check sequences when a batch comes in, not when it is applied',
    worlds: ledger,
    seeds: 50,
    edits: [
      {
        file: 'state/ledger/ledger.js',
        find: 'this.#committer.propose(appendProposal(batch, request, slot));',
        replace: `const proposal = appendProposal(batch, request, slot);
            const log = this.state.partitions.get(batch.topicId, batch.partition);
            proposal.isNext = log?.producers.check(proposal, log.endOffset === 0).kind !== 'duplicate';
            this.#committer.propose(proposal);`,
      },
      {
        file: 'state/ledger/part-builder.js',
        find: 'producerEpoch, baseSequence, 0);',
        replace: 'producerEpoch, baseSequence, append.isNext ? 1 : 0);',
      },
      {
        file: 'state/views/partition-log.js',
        find: 'const check = log.producers.check(batch, baseOffset === 0);',
        replace:
          "const check = numbers[at + 8] === 1 ? { kind: 'next' } : log.producers.check(batch, baseOffset === 0);",
      },
    ],
  },
  {
    name: 'apply other appends of our own than those that were stored',
    worlds: ledger,
    seeds: 20,
    edits: [
      {
        file: 'state/ledger/part-builder.js',
        find: 'packing.integer(number);',
        replace: 'packing.integer(number === 1 ? 2 : number);',
      },
    ],
  },
  {
    name: 'give a producer id twice',
    worlds: ledger,
    seeds: 20,
    edits: [
      {
        file: 'state/views/producers.js',
        find: 'state.producers.nextProducerId++',
        replace: 'state.producers.nextProducerId++ >> 1',
      },
    ],
  },
  {
    name: 'merge ranges that are not adjacent',
    worlds: ledger,
    seeds: 20,
    edits: [
      {
        file: 'state/views/ranges.js',
        find: 't[row + POSITION] + t[row + LENGTH] === range.position &&',
        replace: '',
      },
    ],
  },
  {
    name: 'the caches hold bytes under the wrong place',
    worlds: [...ledger, 'calm'],
    seeds: 20,
    edits: [
      {
        file: 'state/log/recent-runs.js',
        find: 'const skipped = position - rows[row + POSITION];',
        replace: 'const skipped = 0;',
      },
    ],
  },
  {
    name: 'deleted records come back',
    worlds: ['topics'],
    seeds: 50,
    edits: [
      {
        file: 'state/views/partition-log.js',
        find: 'if (offset > log.logStartOffset) {',
        replace: 'if (offset !== log.logStartOffset) {',
      },
    ],
  },
  {
    name: 'create a topic that is there',
    worlds: ['topics'],
    seeds: 50,
    edits: [
      {
        file: 'state/views/topics.js',
        find: 'if (existing !== undefined)',
        replace: 'if (existing?.partitionCount === 0)',
      },
    ],
  },
  {
    name: 'Metadata answers without a barrier',
    worlds: ['topics'],
    seeds: 50,
    edits: [{ file: 'server/handlers/metadata.js', find: 'await cluster.topics.barrier();', replace: '' }],
  },
  {
    name: 'CreateTopics refuses without a barrier',
    worlds: ['topics'],
    seeds: 100,
    edits: [{ file: 'server/handlers/create-topics.js', find: 'await cluster.topics.barrier();', replace: '' }],
  },
  {
    name: 'a sequencer that died is not missed until somebody loses patience',
    worlds: ['takeover'],
    seeds: 20,
    edits: [
      { file: 'state/ledger/committer.js', find: 'if (!isQuiet && waitedMs', replace: 'if (waitedMs' },
      { file: 'state/ledger/traffic.js', find: '&& this.silenceMs() <= quietMs', replace: '' },
      { file: 'state/ledger/traffic.js', find: 'isBeaten || share > (', replace: 'share > -1 || 0 > (' },
    ],
  },
  {
    name: 'what waits to be stored is not counted',
    worlds: ['overload'],
    seeds: 50,
    edits: [
      {
        file: 'state/ledger/committer.js',
        find: 'this.#waits(proposal.batch.length);',
        replace: ';',
      },
    ],
  },
  {
    name: 'a second attempt takes "exists" for the success of the first',
    worlds: ['storm', ...ledger],
    seeds: 60,
    edits: [
      {
        file: 'state/store/hedging.js',
        find: "if (result === 'exists' && !isAnswered)",
        replace: "if (result === 'exists' && !isAnswered) answer('created');\nelse if (result === 'exists')",
      },
    ],
  },
]
