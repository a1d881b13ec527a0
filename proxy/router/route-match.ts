/** One route's match, compiled: every condition a plain test on the request head, the cheap ones first. */

import type { HeaderMatchConfig, RouteMatchConfig } from '../../config/runtime/route.ts';
import type { StringMatchConfig } from '../../config/runtime/string-match.ts';
import { createStringMatch, renderStringPattern, type StringPredicate } from '../base/string-match.ts';
import type { RequestHead } from '../stream/stream.ts';
import { createPathTest, type PathTest } from './path-test.ts';
import { firstQueryValue } from './target.ts';

interface HeaderCondition {
  readonly name: string;
  /** Reads what is kept apart from the headers; undefined for an ordinary one. */
  readonly part: PartReader | undefined;
  readonly invert: boolean;
  readonly accepts: StringPredicate;
  /** Whether the condition holds when the header is missing. */
  readonly holdsWhenAbsent: boolean;
}

interface QueryCondition {
  readonly name: string;
  readonly accepts: StringPredicate;
}

export class RouteMatch {
  /** True when the path is all that the route asks about. */
  readonly pathOnly: boolean;
  readonly #config: RouteMatchConfig;
  readonly #path: PathTest | undefined;
  readonly #method: StringPredicate | undefined;
  readonly #scheme: StringPredicate | undefined;
  readonly #authority: StringPredicate | undefined;
  readonly #headers: readonly HeaderCondition[];
  readonly #query: readonly QueryCondition[];

  constructor(config: RouteMatchConfig) {
    this.#config = config;
    this.#path = config.path === undefined ? undefined : createPathTest(config.path);
    this.#method = optionalMatch(config.method);
    this.#scheme = optionalMatch(config.scheme);
    this.#authority = optionalMatch(config.authority === undefined ? undefined : withoutCase(config.authority));
    this.#headers = config.headers.map(compileHeader);
    this.#query = config.query.map(({ name, match }) => ({ name, accepts: createStringMatch(match) }));
    const others = [this.#method, this.#scheme, this.#authority].some((test) => test !== undefined);
    this.pathOnly = !others && this.#headers.length === 0 && this.#query.length === 0;
  }

  /** `pathLength`: where the query, or the end, begins in `request.path`. */
  matches(request: RequestHead, pathLength: number): boolean {
    if (this.#path !== undefined && !this.#path(request.path, pathLength)) return false;
    return this.pathOnly || this.matchesBesidesPath(request, pathLength);
  }

  /** All conditions but the path's, for a caller that knows that one to hold. */
  matchesBesidesPath(request: RequestHead, pathLength: number): boolean {
    if (this.#method !== undefined && !this.#method(request.method)) return false;
    for (const header of this.#headers) if (!headerHolds(header, request)) return false;
    for (const parameter of this.#query) if (!parameterHolds(parameter, request.path, pathLength)) return false;
    if (this.#scheme !== undefined && !this.#scheme(request.scheme)) return false;
    return this.#authority === undefined || this.#authority(request.authority);
  }

  /** The first condition that does not hold, in words, e.g. `header end-user: want exact "jason", got "bob"`; undefined when all do. */
  failure(request: RequestHead, pathLength: number): string | undefined {
    const config = this.#config;
    const path = request.path.slice(0, pathLength);
    if (config.path !== undefined && this.#path?.(path, pathLength) === false) return unlike('path', config.path, path);
    if (config.method !== undefined && this.#method?.(request.method) === false) return unlike('method', config.method, request.method);
    const header = this.#headers.findIndex((condition) => !headerHolds(condition, request));
    if (header !== -1) return headerFailure(config.headers[header] as HeaderMatchConfig, request);
    const query = this.#query.findIndex((condition) => !parameterHolds(condition, request.path, pathLength));
    if (query !== -1) return queryFailure(config.query[query] as RouteMatchConfig['query'][number], request.path, pathLength);
    if (config.scheme !== undefined && this.#scheme?.(request.scheme) === false) return unlike('scheme', config.scheme, request.scheme);
    if (config.authority !== undefined && this.#authority?.(request.authority) === false) return unlike('authority', config.authority, request.authority);
    return undefined;
  }
}

function optionalMatch(config: StringMatchConfig | undefined): StringPredicate | undefined {
  return config === undefined ? undefined : createStringMatch(config);
}

/** The request's authority is kept in lower case, so what is written in the resource is compared without case. */
function withoutCase(match: StringMatchConfig): StringMatchConfig {
  return match.kind === 'exact' || match.kind === 'prefix' ? { ...match, ignoreCase: true } : match;
}

type PartReader = (request: RequestHead) => string;

const authority: PartReader = (request) => request.authority;

/** Envoy keeps Host as :authority, whichever way it is named; `:path` is the target with its query. */
const PARTS: Readonly<Record<string, PartReader>> = {
  host: authority,
  ':authority': authority,
  ':method': (request) => request.method,
  ':path': (request) => request.path,
  ':scheme': (request) => request.scheme,
};

function partOf(name: string): PartReader | undefined {
  return Object.hasOwn(PARTS, name) ? PARTS[name] : undefined;
}

/**
 * A missing header fails an ordinary condition. For withoutHeaders it counts as the empty string, except that `present`
 * then asks for exactly that: the header must be absent (Envoy: treat_missing_header_as_empty).
 */
function compileHeader({ name, match, invert }: HeaderMatchConfig): HeaderCondition {
  const part = partOf(name);
  const accepts = createStringMatch(part === authority ? withoutCase(match) : match);
  const holdsWhenAbsent = invert && (match.kind === 'present' || !accepts(''));
  return { name, part, invert, accepts, holdsWhenAbsent };
}

/** Repeated headers: each value is tried on its own (Envoy ≥ 1.39), so an inverted condition fails if any one matches. */
function headerHolds({ name, part, invert, accepts, holdsWhenAbsent }: HeaderCondition, request: RequestHead): boolean {
  if (part !== undefined) return accepts(part(request)) !== invert;
  const items = request.headers.items;
  let present = false;
  for (let i = 0; i < items.length; i += 2) {
    if (items[i] !== name) continue;
    if (accepts(items[i + 1] as string)) return !invert;
    present = true;
  }
  return present ? invert : holdsWhenAbsent;
}

function parameterHolds({ name, accepts }: QueryCondition, path: string, pathLength: number): boolean {
  const value = firstQueryValue(path, pathLength, name);
  return value !== undefined && accepts(value);
}

function unlike(what: string, wanted: StringMatchConfig, got: string): string {
  return `${what}: want ${renderStringPattern(wanted)}, got ${JSON.stringify(got)}`;
}

function headerFailure({ name, match, invert }: HeaderMatchConfig, request: RequestHead): string {
  const part = partOf(name);
  const values = part === undefined ? request.headers.getAll(name) : [part(request)];
  const got = values.length === 0 ? 'is absent' : `got ${values.map((value) => JSON.stringify(value)).join(', ')}`;
  if (!invert) return `header ${name}: want ${renderStringPattern(match)}, ${got}`;
  return match.kind === 'present' ? `header ${name}: want it absent, ${got}` : `header ${name}: want not ${renderStringPattern(match)}, ${got}`;
}

function queryFailure({ name, match }: RouteMatchConfig['query'][number], path: string, pathLength: number): string {
  const value = firstQueryValue(path, pathLength, name);
  return `query parameter ${name}: want ${renderStringPattern(match)}, ${value === undefined ? 'is absent' : `got ${JSON.stringify(value)}`}`;
}
