/**
 * One canonical path for matching, logging and forwarding (MeshConfig.pathNormalization; Envoy: normalize_path).
 *
 * Stricter than Envoy 1.40 in two places, so that normalising twice changes nothing and the next hop cannot read
 * another path than this one matched: `%2e%2e;x` counts as `..;x`, and an escape that only decoding completes
 * (`%4%31` → `%41`) is decoded too.
 */

import type { HttpListenerConfig } from '../../config/runtime/listener.ts';

export type PathNormalization = HttpListenerConfig['pathNormalization'];

const SLASH = 0x2f;
const PERCENT = 0x25;
const DOT = 0x2e;
const QUESTION = 0x3f;
const BACKSLASH = 0x5c;

/** Path bytes that mean work, whatever stands beside them. */
const SUSPECT = byteTable('#\\"<>{}|^`');
/** Bytes that are percent-encoded in the path: those no URI may hold. */
const ENCODED = byteTable('"<>{}|^`');
const UNRESERVED = byteTable('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~');
for (let code = 0; code < 256; code++) {
  if (code > 0x20 && code < 0x7f) continue;
  SUSPECT[code] = 1;
  ENCODED[code] = 1;
}

/**
 * `target`: path and query, beginning with `/`. Returns the same string when there is nothing to do; undefined when the
 * path must be refused (400 `path_normalization_failed`: it holds `%00`). The fragment is dropped in every mode, the
 * query is kept as it is, case is never changed.
 */
export function normalizePath(target: string, mode: PathNormalization): string | undefined {
  if (mode === 'NONE') return withoutFragment(target);
  return isNormal(target, mode) ? target : normalizeSlowly(withoutFragment(target), mode);
}

/** One look at each byte. Errs on the side of more work. */
function isNormal(target: string, mode: PathNormalization): boolean {
  let previous = 0;
  for (let i = 0; i < target.length; i++) {
    const code = target.charCodeAt(i);
    if (code === QUESTION) return !target.includes('#', i);
    if (SUSPECT[code] === 1) return false;
    if (previous === SLASH && (code === DOT || (code === SLASH && mode !== 'BASE'))) return false;
    if (code === PERCENT && !staysEscaped(target, i, mode)) return false;
    previous = code;
  }
  return true;
}

function staysEscaped(target: string, percent: number, mode: PathNormalization): boolean {
  const escaped = escapedByte(target.charCodeAt(percent + 1), target.charCodeAt(percent + 2));
  if (escaped < 1 || UNRESERVED[escaped] === 1) return false;
  return mode !== 'DECODE_AND_MERGE_SLASHES' || (escaped !== SLASH && escaped !== BACKSLASH);
}

function normalizeSlowly(target: string, mode: PathNormalization): string | undefined {
  const query = target.indexOf('?');
  const pathEnd = query === -1 ? target.length : query;
  const canonical = canonicalBytes(target.slice(0, pathEnd), mode === 'DECODE_AND_MERGE_SLASHES');
  if (canonical === undefined) return undefined;
  const resolved = resolveDotSegments(canonical);
  return (mode === 'BASE' ? resolved : mergeSlashes(resolved)) + target.slice(pathEnd);
}

function withoutFragment(target: string): string {
  const fragment = target.indexOf('#');
  return fragment === -1 ? target : target.slice(0, fragment);
}

/**
 * Backslashes become slashes, forbidden bytes are percent-encoded, unreserved ones decoded; undefined at `%00`.
 * Each byte written may complete an escape with the two before it, so escapes are looked for in the output.
 */
function canonicalBytes(path: string, decodeSlashes: boolean): string | undefined {
  const out = Buffer.allocUnsafe(path.length * 3);
  let length = 0;
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (ENCODED[code] === 1) {
      length += out.write(`%${code.toString(16).toUpperCase().padStart(2, '0')}`, length, 'latin1');
      continue;
    }
    out[length++] = code === BACKSLASH ? SLASH : code;
    for (let escaped = escapeBefore(out, length); escaped !== -1; escaped = escapeBefore(out, length)) {
      if (escaped === 0) return undefined;
      const slash = decodeSlashes && (escaped === SLASH || escaped === BACKSLASH);
      if (!slash && UNRESERVED[escaped] === 0) break;
      length -= 2;
      out[length - 1] = slash ? SLASH : escaped;
    }
  }
  return out.latin1Slice(0, length);
}

/** Value of the `%XX` that ends at `end`, or -1. */
function escapeBefore(bytes: Buffer, end: number): number {
  if (end < 3 || bytes[end - 3] !== PERCENT) return -1;
  return escapedByte(bytes[end - 2] as number, bytes[end - 1] as number);
}

/** -1 where one of the two is no hex digit; NaN, past the end of a string, is none. */
function escapedByte(high: number, low: number): number {
  const first = hexDigit(high);
  const second = hexDigit(low);
  return first === -1 || second === -1 ? -1 : first * 16 + second;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** RFC 3986 section 5.2.4; `..` above the root is dropped, parameters of a dot segment go with it (`/x/..;v=1/y` → `/y`). */
function resolveDotSegments(path: string): string {
  if (!path.includes('/.')) return path;
  const segments = path.split('/');
  const kept: string[] = [];
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i] as string;
    const dots = dotsOf(segment);
    if (dots === 2) kept.pop();
    if (dots === 0) kept.push(segment);
    else if (i === segments.length - 1) kept.push('');
  }
  return `/${kept.join('/')}`;
}

/** 1 for `.`, 2 for `..`, each also with parameters after a semicolon; 0 for any other segment. */
function dotsOf(segment: string): 0 | 1 | 2 {
  const semicolon = segment.indexOf(';');
  const name = semicolon === -1 ? segment : segment.slice(0, semicolon);
  if (name === '.') return 1;
  return name === '..' ? 2 : 0;
}

function mergeSlashes(path: string): string {
  return path.includes('//') ? path.replaceAll(/\/{2,}/g, '/') : path;
}

function byteTable(marked: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let i = 0; i < marked.length; i++) table[marked.charCodeAt(i)] = 1;
  return table;
}
