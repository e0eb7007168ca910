/** Trees after RFC 6962, section 2.1. */

import { type Bytes, equal, refuse, sha256 } from "./bytes.js";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export function leafHash(entry: Bytes): Promise<Bytes> {
  return sha256(LEAF, entry);
}

function above(left: Bytes, right: Bytes): Promise<Bytes> {
  return sha256(NODE, left, right);
}

const half = (n: number) => Math.floor(n / 2);
const isOdd = (n: number) => n % 2 === 1;

/** The root of the tree of `size` leaves in which `path` leads up from the leaf at `position`: RFC 9162, 2.1.3.2. */
export async function rootOf(leaf: Bytes, position: number, size: number, path: readonly Bytes[]): Promise<Bytes> {
  if (!Number.isSafeInteger(position) || !Number.isSafeInteger(size) || position < 0 || position >= size) refuse("inclusion");
  let [at, last, node] = [position, size - 1, leaf];
  for (const sibling of path) {
    if (last === 0) refuse("inclusion");
    if (isOdd(at) || at === last) {
      node = await above(sibling, node);
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      node = await above(node, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 ? node : refuse("inclusion");
}

/** What a log had at some time: how many records, and their root. */
export interface Tree {
  size: number;
  root: Bytes;
}

/** Refuses unless the proof shows that `to` has `from` as its beginning: RFC 9162, 2.1.4.2. */
export async function checkGrowth(from: Tree, to: Tree, proof: readonly Bytes[]): Promise<void> {
  if (!Number.isSafeInteger(from.size) || !Number.isSafeInteger(to.size) || from.size < 0 || from.size > to.size) refuse("consistency");
  if (from.size === to.size || from.size === 0) {
    if (proof.length) refuse("consistency");
    const begins = from.size === to.size ? to.root : await sha256();
    return equal(from.root, begins) ? undefined : refuse("consistency");
  }
  let [at, last] = [from.size - 1, to.size - 1];
  while (isOdd(at)) [at, last] = [half(at), half(last)];
  // Only the old root of a size that is a power of two is a node of the new tree; of other sizes the first hash is one.
  const path = at === 0 ? [from.root, ...proof] : [...proof];
  const first = path.shift() ?? refuse("consistency");
  let [older, newer] = [first, first];
  for (const sibling of path) {
    if (last === 0) refuse("consistency");
    if (isOdd(at) || at === last) {
      [older, newer] = [await above(sibling, older), await above(sibling, newer)];
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      newer = await above(newer, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  if (last !== 0 || !equal(older, from.root) || !equal(newer, to.root)) refuse("consistency");
}
