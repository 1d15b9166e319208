import { noFaults } from './faulty-store.js'
import type { WorldOptions } from './world.js'

const quietStore = { putMs: 60, getMs: 30, ...noFaults }
const badStore = {
  putMs: 60,
  getMs: 30,
  outliers: 0.01,
  failures: 0.04,
  silences: 0.004,
  refusals: 0.02,
  repeats: 0.02,
}

const nothing = {
  crashes: 0,
  pauses: 0,
  closes: 0,
  cutOffs: 0,
  pauseMsMax: 3_000,
  producers: 0,
  producerPauseMs: 60,
  largeRecords: 0,
  consumers: 0,
  observers: 0,
  groups: 0,
  membersPerGroup: 0,
  administrators: 0,
  leases: 0,
  checksExpulsions: false,
  settings: {},
} as const

/** The worlds to look at, by name. Every seed draws numbers of instances, settings and everything that happens. */
export const worlds: Readonly<Record<string, WorldOptions>> = {
  /** Nothing fails. */
  calm: {
    ...nothing,
    instances: [1, 3],
    ms: 5_000,
    faults: quietStore,
    producers: 4,
    consumers: 3,
    largeRecords: 0.05,
  },
  /** Producers and consumers, everything fails, instances come and go. */
  ledger: {
    ...nothing,
    instances: [3, 5],
    ms: 10_000,
    faults: badStore,
    crashes: 0.05,
    pauses: 0.05,
    closes: 0.02,
    cutOffs: 0.02,
    pauseMsMax: 5_000,
    producers: 4,
    producerPauseMs: 100,
    largeRecords: 0.02,
    consumers: 3,
    observers: 2,
  },
  /** One instance that is killed again and again. */
  lonely: {
    ...nothing,
    instances: [1, 1],
    ms: 12_000,
    faults: badStore,
    crashes: 0.15,
    pauses: 0.05,
    cutOffs: 0.03,
    producers: 5,
    largeRecords: 0.05,
    consumers: 2,
  },
  /** A store at its worst, and pauses that outlast every time-out. */
  storm: {
    ...nothing,
    instances: [2, 4],
    ms: 30_000,
    faults: { ...badStore, outliers: 0.05, failures: 0.15, silences: 0.02, refusals: 0.1, repeats: 0.1 },
    crashes: 0.03,
    pauses: 0.04,
    closes: 0.01,
    cutOffs: 0.04,
    pauseMsMax: 20_000,
    producers: 3,
    producerPauseMs: 200,
    consumers: 2,
    groups: 1,
    membersPerGroup: 2,
  },
  /** Topics are made, changed, emptied and deleted under their clients. */
  topics: {
    ...nothing,
    instances: [2, 3],
    ms: 50_000,
    faults: badStore,
    crashes: 0.02,
    pauses: 0.02,
    closes: 0.01,
    cutOffs: 0.01,
    producers: 3,
    producerPauseMs: 300,
    consumers: 2,
    administrators: 2,
  },
  /** Consumer groups whose members come and go, on instances that do. */
  groups: {
    ...nothing,
    instances: [2, 4],
    ms: 50_000,
    faults: badStore,
    crashes: 0.015,
    pauses: 0.03,
    closes: 0.01,
    cutOffs: 0.01,
    pauseMsMax: 10_000,
    groups: 2,
    observers: 2,
    membersPerGroup: 3,
  },
  /** The same on a good store: nobody who is well may be expelled. */
  fellowship: {
    ...nothing,
    instances: [2, 3],
    ms: 50_000,
    faults: quietStore,
    crashes: 0.015,
    closes: 0.015,
    groups: 2,
    observers: 2,
    membersPerGroup: 3,
    checksExpulsions: true,
  },
  /** Pipelines that work under leases. */
  leases: {
    ...nothing,
    instances: [2, 4],
    ms: 60_000,
    faults: badStore,
    crashes: 0.01,
    pauses: 0.02,
    closes: 0.01,
    cutOffs: 0.01,
    pauseMsMax: 20_000,
    leases: 2,
  },
}
