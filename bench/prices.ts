/** Requests to the store and bytes, per second. */
export interface StoreRates {
  puts: number
  gets: number
  lists: number
  bytesPut: number
  bytesGot: number
}

/** US dollars, list prices of us-east-1: of a request, and of a gigabyte (10^9 bytes) in and out. Deletions are free. */
interface PriceList {
  put: number
  get: number
  list: number
  gigabyteIn: number
  gigabyteOut: number
}

export const prices = {
  standard: { put: 0.005e-3, get: 0.0004e-3, list: 0.005e-3, gigabyteIn: 0, gigabyteOut: 0 },
  // The FAQ's examples count a gigabyte of 2^30 bytes; the difference is within what is measured.
  express: { put: 0.00113e-3, get: 0.00003e-3, list: 0.00113e-3, gigabyteIn: 0.0032, gigabyteOut: 0.0006 },
} as const satisfies Record<string, PriceList>

const secondsPerMonth = 730 * 3600

/** What requests at these rates cost, dollars a second. */
export function dollarsPerSecond(rates: StoreRates, list: PriceList): number {
  const requests = rates.puts * list.put + rates.gets * list.get + rates.lists * list.list
  return requests + (rates.bytesPut / 1e9) * list.gigabyteIn + (rates.bytesGot / 1e9) * list.gigabyteOut
}

/** Dollars in a month of 730 hours. */
export const dollarsPerMonth = (rates: StoreRates, list: PriceList) => dollarsPerSecond(rates, list) * secondsPerMonth
