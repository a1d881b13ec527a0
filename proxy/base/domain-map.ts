/** Host name → value by Envoy's virtual-host rule: exact name, then the longest `*.suffix`, then `*`. */

/**
 * Changed in place, so that a reload costs the domains that changed and not the whole table.
 * Keys and looked-up hosts are lower case and carry no port; the brackets of an IPv6 literal are optional.
 */
export class DomainMap<V> {
  readonly #exact = new Map<string, V>();
  /** Keyed by the suffix with its leading dot: `*.example.com` is stored as `.example.com`. */
  readonly #suffixes = new Map<string, V>();
  #any: V | undefined = undefined;
  #hasAny = false;

  /** Replaces what `domain` (`host`, `*.suffix` or `*`) stood for. */
  set(domain: string, value: V): void {
    if (domain === '*') {
      this.#any = value;
      this.#hasAny = true;
      return;
    }
    if (isWildcard(domain)) this.#suffixes.set(domain.slice(1), value);
    else this.#exact.set(withoutBrackets(domain), value);
  }

  /** The value stored for `domain` itself, no wildcard applied. */
  get(domain: string): V | undefined {
    if (domain === '*') return this.#any;
    return isWildcard(domain) ? this.#suffixes.get(domain.slice(1)) : this.#exact.get(withoutBrackets(domain));
  }

  delete(domain: string): boolean {
    if (domain !== '*') return isWildcard(domain) ? this.#suffixes.delete(domain.slice(1)) : this.#exact.delete(withoutBrackets(domain));
    const had = this.#hasAny;
    this.#any = undefined;
    this.#hasAny = false;
    return had;
  }

  lookup(host: string): V | undefined {
    const name = withoutBrackets(host);
    const exact = this.#exact.get(name);
    if (exact !== undefined) return exact;
    const dot = this.#suffixes.size === 0 ? -1 : this.#matchingSuffix(name);
    return dot === -1 ? this.#any : this.#suffixes.get(name.slice(dot));
  }

  /** The domain by which `lookup(host)` finds its value: the host itself, `*.suffix`, `*`, or undefined for none. */
  matchedDomain(host: string): string | undefined {
    const name = withoutBrackets(host);
    if (this.#exact.has(name)) return name;
    const dot = this.#matchingSuffix(name);
    if (dot !== -1) return `*${name.slice(dot)}`;
    return this.#hasAny ? '*' : undefined;
  }

  /** Start of the longest stored suffix of `name`, or -1. A wildcard stands for at least one character. */
  #matchingSuffix(name: string): number {
    for (let dot = name.indexOf('.', 1); dot !== -1; dot = name.indexOf('.', dot + 1)) {
      if (this.#suffixes.has(name.slice(dot))) return dot;
    }
    return -1;
  }
}

function isWildcard(domain: string): boolean {
  return domain.startsWith('*.');
}

function withoutBrackets(host: string): string {
  return host.charCodeAt(0) === 0x5b && host.charCodeAt(host.length - 1) === 0x5d ? host.slice(1, -1) : host;
}
