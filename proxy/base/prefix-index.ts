/** Radix tree from string prefixes to positions: finds every stored prefix of a text in one walk along it. */

/**
 * A stored prefix, or a fork on the way to some. The tree itself is its root, the empty prefix: walk from there with
 * `next(text)` until it returns undefined; each node met is a prefix of the text.
 */
export class PrefixNode {
  /** What was stored under exactly this prefix, in the order of adding. */
  readonly positions: number[] = [];
  /** Lowest position here or below; Infinity in an empty tree. */
  lowest = Infinity;
  /** Text between the parent's prefix and this one's. */
  #edge: string;
  /** Where this node's edge begins in a text, and where its prefix ends. */
  #start: number;
  readonly #end: number;
  readonly #children = new Map<number, PrefixNode>();

  constructor(edge = '', start = 0) {
    this.#edge = edge;
    this.#start = start;
    this.#end = start + edge.length;
  }

  /** The next longer stored prefix (or fork) of `text`. */
  next(text: string): PrefixNode | undefined {
    if (this.#children.size === 0) return undefined;
    const child = this.#children.get(text.charCodeAt(this.#end));
    if (child === undefined || child.#edge.length === 1) return child;
    return text.startsWith(child.#edge, child.#start) ? child : undefined;
  }

  /** Called on the root. */
  add(prefix: string, position: number): void {
    this.lowest = Math.min(this.lowest, position);
    if (this.#end === prefix.length) this.positions.push(position);
    else this.#childTowards(prefix).add(prefix, position);
  }

  /** The child on the way to `prefix`, made or split off where the tree has none yet. */
  #childTowards(prefix: string): PrefixNode {
    const code = prefix.charCodeAt(this.#end);
    const child = this.#children.get(code);
    if (child === undefined) return this.#adopt(code, new PrefixNode(prefix.slice(this.#end), this.#end));
    const shared = sharedLength(child.#edge, prefix, child.#start);
    if (shared === child.#edge.length) return child;
    const fork = new PrefixNode(child.#edge.slice(0, shared), child.#start);
    fork.lowest = child.lowest;
    child.#edge = child.#edge.slice(shared);
    child.#start = fork.#end;
    fork.#adopt(child.#edge.charCodeAt(0), child);
    return this.#adopt(code, fork);
  }

  #adopt(code: number, child: PrefixNode): PrefixNode {
    this.#children.set(code, child);
    return child;
  }
}

/** How many characters of `edge` equal those of `text` from `start` on. */
function sharedLength(edge: string, text: string, start: number): number {
  let length = 0;
  while (length < edge.length && edge.charCodeAt(length) === text.charCodeAt(start + length)) length++;
  return length;
}
