/** Character classes of RFC 9110 and RFC 9112, as tables indexed by byte. */

function table(accept: (byte: number) => boolean): Uint8Array {
  const bytes = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) if (accept(byte)) bytes[byte] = 1;
  return bytes;
}

const isAlphanumeric = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);

const isOneOf = (characters: string) => (byte: number): boolean => characters.includes(String.fromCharCode(byte));

/** tchar (RFC 9110 5.6.2): what a header name or method may hold. */
export const TOKEN: Uint8Array = table((byte) => isAlphanumeric(byte) || isOneOf("!#$%&'*+-.^_`|~")(byte));

/** What a field value may hold: tab, blank, visible characters and 0x80 and above (RFC 9110 5.5). */
export const VALUE: Uint8Array = table((byte) => byte === 0x09 || (byte >= 0x20 && byte !== 0x7f));

/** What a request target may hold: visible ASCII (Envoy refuses blanks, controls and 0x80 and above with 400). */
export const TARGET: Uint8Array = table((byte) => byte > 0x20 && byte < 0x7f);

/** What Host may hold besides a port and the brackets of an IPv6 literal (RFC 3986 reg-name, without `,` and `@`). */
export const HOST: Uint8Array = table((byte) => isAlphanumeric(byte) || isOneOf("-._~!$&'()*+;=%")(byte));

/** Hexadecimal digit value, or 255. */
export const HEX: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(value) ? 255 : value;
});

/** ASCII lower case of each token character, 0 for every other byte. */
export const LOWER_TOKEN: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => (TOKEN[byte] === 0 ? 0 : byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte));
