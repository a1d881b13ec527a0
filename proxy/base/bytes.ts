/**
 * Byte strings: how HTTP text is held here. One character stands for one byte (latin1), so text from a configuration
 * file has to be turned into its UTF-8 bytes before it is compared with, or written into, a message.
 */

/** `ü` becomes the two characters of its UTF-8 form; ASCII text is returned as it is. */
export function toByteString(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** Lower-cases A–Z and nothing else, as HTTP and Envoy do. */
export function toLowerAscii(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (isUpperAscii(text.charCodeAt(i))) return lowered(text, i);
  }
  return text;
}

/** `text` begins with `lower`, letters A–Z compared without case; `lower` is already in lower case. */
export function startsWithLowerAscii(text: string, lower: string): boolean {
  if (text.length < lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    const code = text.charCodeAt(i);
    if ((isUpperAscii(code) ? code + 32 : code) !== lower.charCodeAt(i)) return false;
  }
  return true;
}

function isUpperAscii(code: number): boolean {
  return code >= 0x41 && code <= 0x5a;
}

/** `toLowerCase` would also change letters such as À, which here are halves of a UTF-8 sequence. */
function lowered(text: string, start: number): string {
  if (isAscii(text)) return text.toLowerCase();
  let result = text.slice(0, start);
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i);
    result += String.fromCharCode(isUpperAscii(code) ? code + 32 : code);
  }
  return result;
}
