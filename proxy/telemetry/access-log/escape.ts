/**
 * Values made safe for a log: whatever a peer sends, one request stays one line and its columns stay where they are.
 * Values are byte strings (one character, one byte).
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Quote, backslash, controls and everything from 0x7f as `\xNN`, like nginx. (Envoy leaves quotes and high bytes raw, so
 * that a User-Agent can forge columns.)
 */
export function escapeText(value: string): string {
  return isPlain(value) ? value : escapeBytes(value, '\\x');
}

/** Quote, backslash, controls and everything from 0x7f as `\u00NN`, byte by byte, as Envoy's JSON log does. */
export function escapeJson(value: string): string {
  return isPlain(value) ? value : escapeBytes(value, '\\u00');
}

/** Nothing in it needs escaping. */
export function isPlain(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (!isPlainCode(value.charCodeAt(i))) return false;
  return true;
}

function isPlainCode(code: number): boolean {
  return code >= 0x20 && code < 0x7f && code !== QUOTE && code !== BACKSLASH;
}

function escapeBytes(value: string, prefix: string): string {
  let escaped = '';
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    escaped += isPlainCode(code) ? value.charAt(i) : prefix + code.toString(16).padStart(2, '0');
  }
  return escaped;
}
