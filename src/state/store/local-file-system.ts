import fs from 'node:fs'

/**
 * File systems, by the types that statfs(2) gives them on Linux, on which two processes that append to a file at once never
 * write into each other's bytes: those of one machine, whose kernel makes appends one after the other.
 */
const types: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
  [0x2fc12fc1, 'zfs'],
  [0xf2f52010, 'f2fs'],
  [0x794c7630, 'overlayfs'],
  [0xca451a4e, 'bcachefs'],
])

/**
 * Whether the folder is on a file system that makes appends one after the other. What is not known to be one is taken for one
 * over a network, which does not.
 * @throws the system's error.
 */
export function isOnLocalFileSystem(folder: string): boolean {
  return process.platform === 'linux' && types.has(fs.statfsSync(folder).type)
}
