/** Unix sockets among addresses: `unix:///path`, `unix://@name` in Linux's abstract namespace (Istio's form of Envoy's pipes). */

const SCHEME = 'unix://';

export function isUnixAddress(address: string): boolean {
  return address.startsWith(SCHEME);
}

/** `/path`, `@name`: as Envoy prints it. */
export function unixName(address: string): string {
  return address.slice(SCHEME.length);
}

/** As node:net takes it: an abstract name begins with a zero byte. */
export function unixPath(address: string): string {
  const name = unixName(address);
  return name.startsWith('@') ? `\0${name.slice(1)}` : name;
}
