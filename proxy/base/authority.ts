/** The parts of a Host or `:authority`. */

/** Without the port and without the brackets of an IPv6 literal. */
export function authorityHost(authority: string): string {
  const colon = authority.lastIndexOf(':');
  const host = colon >= 0 && !authority.endsWith(']') ? authority.slice(0, colon) : authority;
  return host.startsWith('[') ? host.slice(1, -1) : host;
}
