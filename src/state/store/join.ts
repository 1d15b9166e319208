/** What two lists have under one key: at least one of them has something. */
export interface Joined<Left, Right> {
  key: string
  left: Left | undefined
  right: Right | undefined
}

/** Goes through two lists at once, both in ascending order of their keys, which are unique in each. */
export async function* joinByKey<Left extends { key: string }, Right extends { key: string }>(
  lefts: AsyncIterable<Left> | Iterable<Left>,
  rights: AsyncIterable<Right> | Iterable<Right>,
): AsyncGenerator<Joined<Left, Right>, void, undefined> {
  const leftList = iteratorOf(lefts)
  const rightList = iteratorOf(rights)
  try {
    let left = await nextOf(leftList)
    let right = await nextOf(rightList)
    while (left !== undefined || right !== undefined) {
      const key: string = right === undefined || (left !== undefined && left.key <= right.key) ? keyOf(left) : right.key
      const isLeft: boolean = left?.key === key
      const isRight: boolean = right?.key === key
      yield { key, left: isLeft ? left : undefined, right: isRight ? right : undefined }
      if (isLeft) left = await nextOf(leftList)
      if (isRight) right = await nextOf(rightList)
    }
  } finally {
    await leftList.return?.()
    await rightList.return?.()
  }
}

type AnyIterator<Item> = AsyncIterator<Item> | Iterator<Item>

function iteratorOf<Item>(list: AsyncIterable<Item> | Iterable<Item>): AnyIterator<Item> {
  return Symbol.asyncIterator in list ? list[Symbol.asyncIterator]() : list[Symbol.iterator]()
}

async function nextOf<Item>(list: AnyIterator<Item>): Promise<Item | undefined> {
  const result = await list.next()
  return result.done ? undefined : result.value
}

function keyOf(item: { key: string } | undefined): string {
  return item?.key ?? ''
}
