/** Host name → value by Envoy's virtual-host rule: exact name, then the longest `*suffix`, then `*`. */

/**
 * Changed in place, so that a reload costs the domains that changed and not the whole table.
 * Keys and looked-up hosts are lower case and carry no port; the brackets of an IPv6 literal are optional.
 */
export class DomainMap<V> {
  readonly #exact = new Map<string, V>();
  /** Keyed by the suffix: `*.example.com` is stored as `.example.com`. */
  readonly #suffixes = new Map<string, V>();
  /** Partial wildcards, which need not begin at a label: `*-api.example.com` is stored as `-api.example.com`. */
  readonly #partial = new Map<string, V>();
  #any: V | undefined = undefined;
  #hasAny = false;

  /** Replaces what `domain` (`host`, `*.suffix`, `*suffix` or `*`) stood for. */
  set(domain: string, value: V): void {
    if (domain === '*') {
      this.#any = value;
      this.#hasAny = true;
      return;
    }
    if (isWildcard(domain)) this.#suffixesLike(domain).set(domain.slice(1), value);
    else this.#exact.set(withoutBrackets(domain), value);
  }

  /** The value stored for `domain` itself, no wildcard applied. */
  get(domain: string): V | undefined {
    if (domain === '*') return this.#any;
    return isWildcard(domain) ? this.#suffixesLike(domain).get(domain.slice(1)) : this.#exact.get(withoutBrackets(domain));
  }

  delete(domain: string): boolean {
    if (domain !== '*') return isWildcard(domain) ? this.#suffixesLike(domain).delete(domain.slice(1)) : this.#exact.delete(withoutBrackets(domain));
    const had = this.#hasAny;
    this.#any = undefined;
    this.#hasAny = false;
    return had;
  }

  lookup(host: string): V | undefined {
    const name = withoutBrackets(host);
    const exact = this.#exact.get(name);
    if (exact !== undefined) return exact;
    const at = this.#suffixes.size === 0 && this.#partial.size === 0 ? -1 : this.#matchingSuffix(name);
    if (at === -1) return this.#any;
    const suffix = name.slice(at);
    return this.#suffixes.get(suffix) ?? this.#partial.get(suffix);
  }

  /** The domain by which `lookup(host)` finds its value: the host itself, `*suffix`, `*`, or undefined for none. */
  matchedDomain(host: string): string | undefined {
    const name = withoutBrackets(host);
    if (this.#exact.has(name)) return name;
    const at = this.#matchingSuffix(name);
    if (at !== -1) return `*${name.slice(at)}`;
    return this.#hasAny ? '*' : undefined;
  }

  #suffixesLike(domain: string): Map<string, V> {
    return domain.startsWith('*.') ? this.#suffixes : this.#partial;
  }

  /** Start of the longest stored suffix of `name`, or -1. A wildcard stands for at least one character. */
  #matchingSuffix(name: string): number {
    let dot = name.indexOf('.', 1);
    while (dot !== -1 && !this.#suffixes.has(name.slice(dot))) dot = name.indexOf('.', dot + 1);
    if (this.#partial.size === 0) return dot;
    const end = dot === -1 ? name.length : dot;
    for (let at = 1; at < end; at++) if (this.#partial.has(name.slice(at))) return at;
    return dot;
  }
}

function isWildcard(domain: string): boolean {
  return domain.startsWith('*');
}

function withoutBrackets(host: string): string {
  return host.charCodeAt(0) === 0x5b && host.charCodeAt(host.length - 1) === 0x5d ? host.slice(1, -1) : host;
}
