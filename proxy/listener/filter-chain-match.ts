/**
 * Which chain takes a connection, in Envoy's order: destination port, longest address prefix, server name (exact, then the
 * longest `*.suffix`), transport, application protocol. Each step keeps to its most specific entry and never goes back
 * (proxy-semantics.md A.18). Maps all the way: the number of chains does not matter.
 */

import type { FilterChainMatch } from '../../config/runtime/filter-chain.ts';
import { networkOf, parseIpAddress, parseIpRange, type IpAddress } from '../base/ip-range.ts';
import type { Destination } from '../stream/connection-facts.ts';
import type { Detected } from './inspect.ts';

/** What is left to decide once it is known where a connection was going. */
export interface Candidates<Chain> {
  /** Some chain asks for a server name, for TLS or plain bytes, or for a protocol that TLS offers. */
  readonly wantsTls: boolean;
  /** Some chain asks for HTTP in plain bytes. */
  readonly wantsHttp: boolean;
  match(detected: Detected): Chain | undefined;
}

export class FilterChainMatcher<Chain> {
  readonly #byPort = new Map<number, AddressLevel<Chain>>();
  readonly #anyPort = new AddressLevel<Chain>();

  /** Of two chains with equal conditions the first is used. `wantsTls`: it wants to see the ClientHello, whatever its conditions. */
  add(match: FilterChainMatch, chain: Chain, wantsTls = false): void {
    const { destinationPort } = match;
    const entry = { match, chain, wantsTls };
    if (destinationPort === undefined) this.#anyPort.add(entry);
    else childOf(this.#byPort, destinationPort, () => new AddressLevel<Chain>()).add(entry);
  }

  /** Where every connection meets the same candidates, wherever it goes. */
  get ignoresDestination(): boolean {
    return this.#byPort.size === 0 && this.#anyPort.ignoresAddress;
  }

  /** Undefined where no chain is for that destination. */
  candidates(destination: Destination): Candidates<Chain> | undefined {
    return (this.#byPort.get(destination.port) ?? this.#anyPort).lookup(destination.address);
  }

  /** As `candidates`, where they do not depend on the destination. */
  get anyDestination(): Candidates<Chain> | undefined {
    return this.#anyPort.any;
  }
}

interface Entry<Chain> {
  readonly match: FilterChainMatch;
  readonly chain: Chain;
  readonly wantsTls: boolean;
}

/** Addresses by family and prefix length, the longest first: a service address is found by its only lookup. */
class AddressLevel<Chain> {
  any: ServerNameLevel<Chain> | undefined;
  readonly #lengths: Readonly<Record<4 | 6, PrefixLength<Chain>[]>> = { 4: [], 6: [] };

  get ignoresAddress(): boolean {
    return this.#lengths[4].length === 0 && this.#lengths[6].length === 0;
  }

  add(entry: Entry<Chain>): void {
    const ranges = entry.match.destinationRanges ?? [];
    if (ranges.length === 0) (this.any ??= new ServerNameLevel()).add(entry);
    for (const text of ranges) {
      const range = parseIpRange(text);
      // The compiler refuses what is no range; nothing can be going there.
      if (range === undefined) continue;
      const { networks } = this.#ofLength(range.family, range.prefixLength);
      childOf(networks, range.value, () => new ServerNameLevel<Chain>()).add(entry);
    }
  }

  lookup(address: string): ServerNameLevel<Chain> | undefined {
    if (this.ignoresAddress) return this.any;
    const parsed = parseIpAddress(address);
    return (parsed && this.#longest(parsed)) ?? this.any;
  }

  #longest(address: IpAddress): ServerNameLevel<Chain> | undefined {
    for (const { prefixLength, networks } of this.#lengths[address.family]) {
      const found = networks.get(networkOf(address, prefixLength));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #ofLength(family: 4 | 6, prefixLength: number): PrefixLength<Chain> {
    const lengths = this.#lengths[family];
    const known = lengths.find((entry) => entry.prefixLength === prefixLength);
    if (known !== undefined) return known;
    const added = { prefixLength, networks: new Map<bigint, ServerNameLevel<Chain>>() };
    lengths.push(added);
    lengths.sort((left, right) => right.prefixLength - left.prefixLength);
    return added;
  }
}

interface PrefixLength<Chain> {
  readonly prefixLength: number;
  readonly networks: Map<bigint, ServerNameLevel<Chain>>;
}

/** Keys: a name, `.suffix`, and `` for chains that name none. */
class ServerNameLevel<Chain> implements Candidates<Chain> {
  wantsTls = false;
  wantsHttp = false;
  readonly #names = new Map<string, TransportLevel<Chain>>();

  add({ match, chain, wantsTls }: Entry<Chain>): void {
    const { serverNames = [], transport, applicationProtocols = [] } = match;
    for (const name of serverNames.length === 0 ? ['*'] : serverNames) {
      const key = name === '*' ? '' : name.startsWith('*.') ? name.slice(1) : name;
      if (key !== '') this.wantsTls = true;
      childOf(this.#names, key, () => new TransportLevel<Chain>()).add(match, chain);
    }
    if (wantsTls || transport !== undefined || applicationProtocols.length > 0) this.wantsTls = true;
    if (transport !== 'tls' && applicationProtocols.some((protocol) => PLAIN_PROTOCOLS.has(protocol))) this.wantsHttp = true;
  }

  match(detected: Detected): Chain | undefined {
    return this.#ofName(detected.serverName ?? '')?.match(detected);
  }

  #ofName(serverName: string): TransportLevel<Chain> | undefined {
    const names = this.#names;
    const exact = names.get(serverName);
    if (exact !== undefined) return exact;
    for (let dot = serverName.indexOf('.', 1); dot >= 0; dot = serverName.indexOf('.', dot + 1)) {
      const found = names.get(serverName.slice(dot));
      if (found !== undefined) return found;
    }
    return names.get('');
  }
}

/** What plain bytes can be detected as. */
const PLAIN_PROTOCOLS: ReadonlySet<string> = new Set(['http/1.1', 'http/1.0', 'h2c']);
/** For chains that name no transport or no protocol. */
const ANY = '';

class TransportLevel<Chain> {
  readonly #transports = new Map<string, Map<string, Chain>>();

  add({ transport, applicationProtocols = [] }: FilterChainMatch, chain: Chain): void {
    const protocols = childOf(this.#transports, transport ?? ANY, () => new Map<string, Chain>());
    for (const protocol of applicationProtocols.length === 0 ? [ANY] : applicationProtocols) if (!protocols.has(protocol)) protocols.set(protocol, chain);
  }

  match(detected: Detected): Chain | undefined {
    const protocols = this.#transports.get(detected.transport) ?? this.#transports.get(ANY);
    for (const protocol of detected.protocols) {
      const chain = protocols?.get(protocol);
      if (chain !== undefined) return chain;
    }
    return protocols?.get(ANY);
  }
}

function childOf<Key, Value>(map: Map<Key, Value>, key: Key, create: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = create();
    map.set(key, value);
  }
  return value;
}
