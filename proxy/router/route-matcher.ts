/** First-match search over a virtual host's routes that does not grow with their number, and keeps their order. */

import type { RouteMatchConfig } from '../../config/runtime/route.ts';
import { toByteString, toLowerAscii } from '../base/bytes.ts';
import { PrefixNode } from '../base/prefix-index.ts';
import type { RequestHead } from '../stream/stream.ts';
import type { RouteMatch } from './route-match.ts';

/** Index of the first matching route, or -1. */
export type RouteMatcher = (request: RequestHead, pathLength: number) => number;

/** Up to this many routes a plain loop is faster than looking candidates up. */
const LOOP_LIMIT = 8;

export function createRouteMatcher(matches: readonly RouteMatch[], configs: readonly RouteMatchConfig[]): RouteMatcher {
  return matches.length <= LOOP_LIMIT ? createLoop(matches) : createIndexed(matches, configs);
}

function createLoop(matches: readonly RouteMatch[]): RouteMatcher {
  return (request, pathLength) => {
    for (let i = 0; i < matches.length; i++) if ((matches[i] as RouteMatch).matches(request, pathLength)) return i;
    return -1;
  };
}

function createIndexed(matches: readonly RouteMatch[], configs: readonly RouteMatchConfig[]): RouteMatcher {
  const index = new RouteIndex(matches);
  configs.forEach((config, position) => index.add(config, position));
  return (request, pathLength) => index.find(request, pathLength);
}

/**
 * Routes by what they ask of the path: exact paths in a map, prefixes in a tree, the rest in a list. Every list is in
 * route order, so a search keeps the best index found so far and leaves each list as soon as it cannot improve on it.
 */
class RouteIndex {
  readonly #matches: readonly RouteMatch[];
  readonly #exact = new Map<string, number[]>();
  readonly #exactFolded = new Map<string, number[]>();
  readonly #prefixes = new PrefixNode();
  readonly #prefixesFolded = new PrefixNode();
  #hasFolded = false;
  /** Any path, or a regex: nothing to look up. */
  readonly #rest: number[] = [];

  constructor(matches: readonly RouteMatch[]) {
    this.#matches = matches;
  }

  /** Positions must be added in ascending order. */
  add({ path }: RouteMatchConfig, position: number): void {
    if (path === undefined || path.kind === 'regex' || path.kind === 'present') {
      this.#rest.push(position);
      return;
    }
    // No path holds a question mark, so that the tree of prefixes can be walked along path and query alike.
    if (path.value.includes('?')) return;
    const folded = path.ignoreCase === true;
    const value = folded ? toLowerAscii(toByteString(path.value)) : toByteString(path.value);
    this.#hasFolded ||= folded;
    if (path.kind === 'prefix') (folded ? this.#prefixesFolded : this.#prefixes).add(value, position);
    else append(folded ? this.#exactFolded : this.#exact, value, position);
  }

  find(request: RequestHead, pathLength: number): number {
    const target = request.path;
    let best = this.#matches.length;
    if (this.#exact.size > 0) best = this.#first(this.#exact.get(pathOf(target, pathLength)), request, pathLength, best);
    best = this.#firstPrefix(this.#prefixes, target, request, pathLength, best);
    if (this.#hasFolded) best = this.#firstFolded(toLowerAscii(pathOf(target, pathLength)), request, best);
    best = this.#firstOfRest(request, pathLength, best);
    return best === this.#matches.length ? -1 : best;
  }

  #firstFolded(path: string, request: RequestHead, limit: number): number {
    const best = this.#first(this.#exactFolded.get(path), request, path.length, limit);
    return this.#firstPrefix(this.#prefixesFolded, path, request, path.length, best);
  }

  /** Walks from the shortest prefix of `text` to the longest. */
  #firstPrefix(tree: PrefixNode, text: string, request: RequestHead, pathLength: number, limit: number): number {
    let best = limit;
    for (let node: PrefixNode | undefined = tree; node !== undefined && node.lowest < best; node = node.next(text)) {
      if (node.positions.length > 0) best = this.#first(node.positions, request, pathLength, best);
    }
    return best;
  }

  /** The lowest of `candidates`, whose path condition holds, that matches and is below `limit`; else `limit`. */
  #first(candidates: readonly number[] | undefined, request: RequestHead, pathLength: number, limit: number): number {
    if (candidates === undefined) return limit;
    for (let i = 0; i < candidates.length; i++) {
      const position = candidates[i] as number;
      if (position >= limit) return limit;
      const match = this.#matches[position] as RouteMatch;
      if (match.pathOnly || match.matchesBesidesPath(request, pathLength)) return position;
    }
    return limit;
  }

  #firstOfRest(request: RequestHead, pathLength: number, limit: number): number {
    for (let i = 0; i < this.#rest.length; i++) {
      const position = this.#rest[i] as number;
      if (position >= limit) return limit;
      if ((this.#matches[position] as RouteMatch).matches(request, pathLength)) return position;
    }
    return limit;
  }
}

function pathOf(target: string, pathLength: number): string {
  return pathLength === target.length ? target : target.slice(0, pathLength);
}

function append(map: Map<string, number[]>, key: string, position: number): void {
  const positions = map.get(key);
  if (positions === undefined) map.set(key, [position]);
  else positions.push(position);
}
