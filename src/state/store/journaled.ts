import { errnoOf, fromErrno } from './errno.js'
import { readdir } from './files.js'
import { Journal, type JournalOptions } from './journal/journal.js'
import { byBytes, checkKey, checkPrefix } from './keys.js'
import type {
  Allocate,
  ByteRange,
  LentObject,
  ListedObject,
  ListOptions,
  ObjectStore,
  PutOutcome,
  StoredObject,
} from './object-store.js'

/** Folders whose objects are kept in journals: they are many and small, numbered, and made about in that order. */
const numberedKey = /^(ledger\/(?:0|[1-9]\d*))\/(\d{20})$/
const folderOfFolders = 'ledger'
const slash = 0x2f
const zero = 0x30
const numberDigits = 20
/** Where journals are, below the root. */
export const journalsFolder = 'journal'

export interface JournaledStoreOptions extends Omit<JournalOptions, 'folder' | 'temporaryFolder'> {
  /** An absolute path. */
  root: string
}

/** A directory store that keeps ledgers' entries in journals, and all else as files. */
export class JournaledStore implements ObjectStore {
  readonly kind = 'local'
  readonly url: string
  readonly #files: ObjectStore
  readonly #options: JournaledStoreOptions
  readonly #journals = new Map<string, Journal>()
  /** From which was read last. */
  #last: { folder: string; journal: Journal } | undefined

  /** @param files the store of what is kept as files. */
  constructor(files: ObjectStore, options: JournaledStoreOptions) {
    this.url = files.url
    this.#files = files
    this.#options = options
  }

  async putIfAbsent(key: string, body: readonly Uint8Array[]): Promise<PutOutcome> {
    const [, folder, number] = numberedKey.exec(key) ?? []
    if (folder === undefined) return this.#files.putIfAbsent(key, body)
    try {
      return await this.#journalOf(folder).putIfAbsent(Number(number), body)
    } catch (error) {
      throw fromErrno('put', key, error)
    }
  }

  async get(key: string, range?: ByteRange, allocate?: Allocate): Promise<StoredObject | undefined> {
    const [, folder, number] = numberedKey.exec(key) ?? []
    if (folder === undefined) return this.#files.get(key, range, allocate)
    try {
      return await this.#journalOf(folder).get(Number(number), range, allocate)
    } catch (error) {
      throw fromErrno('get', key, error)
    }
  }

  getNow(key: string, range: ByteRange, allocate: Allocate, mayLend?: boolean): LentObject | undefined {
    try {
      // Reads come one after the other from one ledger, and so cheap that it would be a tenth of their cost to take keys apart.
      const last = this.#last
      if (last !== undefined && key.length === last.folder.length + 1 + numberDigits && key.startsWith(last.folder)) {
        const number = numberAtEnd(key)
        if (number !== undefined) return last.journal.getNow(number, range, allocate, mayLend)
      }
      const [, folder, number] = numberedKey.exec(key) ?? []
      if (folder === undefined) return this.#files.getNow?.(key, range, allocate, mayLend)
      const journal = this.#journalOf(folder)
      this.#last = { folder, journal }
      return journal.getNow(Number(number), range, allocate, mayLend)
    } catch {
      // `get` says what it is.
      return undefined
    }
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ListedObject> {
    checkPrefix(prefix)
    const { after = '', limit = Number.POSITIVE_INFINITY } = options
    const sources = [this.#files.list(prefix, { after }), this.#listJournals(prefix, after)].map((source) =>
      source[Symbol.asyncIterator](),
    )
    try {
      const heads = await Promise.all(sources.map((source) => source.next()))
      for (let listed = 0; listed < limit; listed++) {
        let first = -1
        for (const [index, head] of heads.entries())
          if (!head.done && (first < 0 || byBytes(head.value.key, heads[first]?.value.key) < 0)) first = index
        if (first < 0) return
        yield heads[first]?.value
        heads[first] = (await sources[first]?.next()) as IteratorResult<ListedObject>
      }
    } finally {
      for (const source of sources) await source.return?.()
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    const others: string[] = []
    const numbers = new Map<string, number[]>()
    for (const key of keys) {
      checkKey(key)
      const [, folder, number] = numberedKey.exec(key) ?? []
      if (folder === undefined) others.push(key)
      else numbers.set(folder, [...(numbers.get(folder) ?? []), Number(number)])
    }
    for (const [folder, ofFolder] of numbers)
      try {
        await this.#journalOf(folder).delete(ofFolder)
      } catch (error) {
        throw fromErrno('delete', folder, error)
      }
    if (others.length > 0) await this.#files.delete(others)
  }

  watch(folder: string, onChange: (name?: string) => void): () => void {
    if (!numberedKey.test(`${folder}/${keyPart(0)}`)) return this.#files.watch?.(folder, onChange) ?? (() => {})
    const journal = this.#journalOf(folder)
    const look = () => {
      const number = journal.news()
      if (number !== undefined) onChange(keyPart(number))
    }
    return this.#files.watch?.(`${journalsFolder}/${folder}`, look) ?? (() => {})
  }

  async close(): Promise<void> {
    for (const journal of this.#journals.values()) await journal.close()
    await this.#files.close()
  }

  #journalOf(folder: string): Journal {
    let journal = this.#journals.get(folder)
    if (journal === undefined) {
      const { root } = this.#options
      const place = { folder: `${root}/${journalsFolder}/${folder}`, temporaryFolder: `${root}/tmp` }
      journal = new Journal({ ...this.#options, ...place })
      this.#journals.set(folder, journal)
    }
    return journal
  }

  async *#listJournals(prefix: string, after: string): AsyncGenerator<ListedObject> {
    for (const folder of await this.#journaledFolders()) {
      const beginning = `${folder}/`
      if (!beginning.startsWith(prefix) && !prefix.startsWith(beginning)) continue
      const [, afterFolder, afterNumber] = numberedKey.exec(after) ?? []
      try {
        const from = afterFolder === folder ? Number(afterNumber) : -1
        for await (const { number, size } of this.#journalOf(folder).list(from)) {
          const key = beginning + keyPart(number)
          if (key.startsWith(prefix) && key > after) yield { key, size }
        }
      } catch (error) {
        throw fromErrno('list', folder, error)
      }
    }
  }

  /** In the order of their objects' keys. */
  async #journaledFolders(): Promise<string[]> {
    const path = `${this.#options.root}/${journalsFolder}/${folderOfFolders}`
    try {
      const folders = (await readdir(path)).map((name) => `${folderOfFolders}/${name}`)
      return folders
        .filter((folder) => numberedKey.test(`${folder}/${keyPart(0)}`))
        .sort((a, b) => byBytes(`${a}/`, `${b}/`))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return []
      throw fromErrno('list', path, error)
    }
  }
}

/** The number of a key that ends with a `/` and the digits of one. */
function numberAtEnd(key: string): number | undefined {
  const start = key.length - numberDigits
  if (key.charCodeAt(start - 1) !== slash) return undefined
  let number = 0
  for (let at = start; at < key.length; at++) {
    const digit = key.charCodeAt(at) - zero
    if (digit < 0 || digit > 9) return undefined
    number = number * 10 + digit
  }
  return number
}

const keyPart = (number: number) => String(number).padStart(numberDigits, '0')
