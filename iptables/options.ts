/** Flags and environment variables of istio-iptables to one typed set of options (istio-api.md 15.3). */

import { INBOUND_CAPTURE_PORT, INBOUND_TUNNEL_PORT, OUTBOUND_CAPTURE_PORT, PROXY_ID, TPROXY_MARK, TPROXY_ROUTE_TABLE } from './constants.ts';
import * as values from './values.ts';
import type { Parsed, Ranges, Selection } from './values.ts';

/** What is to be captured, and for whom: everything that the rules depend on. */
export interface CaptureOptions {
  /** Where captured outbound, inbound and tunnelled connections go (the tunnel's is left alone). */
  readonly outboundPort: number;
  readonly inboundPort: number;
  readonly tunnelPort: number;
  /** Users and groups of the proxy. */
  readonly proxyUids: readonly string[];
  readonly proxyGids: readonly string[];
  /** How inbound connections are captured; outbound ones are always redirected. */
  readonly mode: 'REDIRECT' | 'TPROXY';
  readonly tproxyMark: number;
  readonly tproxyRouteTable: number;
  /** Inbound ports that are captured, and those that are not where all are. */
  readonly inboundPorts: Selection<string>;
  readonly inboundPortsExclude: readonly string[];
  /** Destinations that are captured; the excluded ones come first. */
  readonly outboundRanges: '*' | Ranges;
  readonly outboundRangesExclude: Ranges;
  /** Ports that are captured whatever the address, and ports that never are. */
  readonly outboundPorts: readonly string[];
  readonly outboundPortsExclude: readonly string[];
  /** Nothing that comes in or goes out here is captured. */
  readonly excludeInterfaces: readonly string[];
  /** What comes in here (from a virtual machine) counts as outbound. */
  readonly rerouteInterfaces: readonly string[];
  /** Groups whose outbound traffic is captured (`only`), or all but these. */
  readonly ownerGroups: { readonly only: readonly string[] } | { readonly except: readonly string[] };
  /** Whose DNS is captured: nobody's, all, or that of these servers. */
  readonly dns: 'off' | 'all' | Ranges;
  readonly dropInvalid: boolean;
  /** IPv4 range that counts as loopback, CIDR. */
  readonly loopbackRange: string;
  /** Whether IPv6 gets rules. */
  readonly ipv6: boolean;
}

/** What the options depend on besides words: facts of the machine. */
export interface HostFacts {
  /** Numeric user of `ENVOY_USER` (istio-proxy), where there is one. */
  readonly proxyUid?: string;
  /** Whether the first address that is neither loopback nor link-local is IPv6. */
  readonly firstAddressIsV6: boolean;
  /** Name servers of resolv.conf. */
  readonly nameServers: { readonly v4: readonly string[]; readonly v6: readonly string[] };
}

/** One option: its words as istio-iptables has them; without `value` it is a switch. */
export interface CaptureFlag {
  readonly name: string;
  readonly short?: string;
  readonly value?: string;
  /** Variables that are read where the flag is absent, in this order. */
  readonly env: readonly string[];
  readonly default?: string;
  readonly help: string;
}

/** Every option that shapes the rules, in the order that help prints them. */
export const CAPTURE_FLAGS: readonly CaptureFlag[] = [
  // istio-iptables reads no variable for this one: a Service named `envoy` would set ENVOY_PORT in every pod.
  { name: 'envoy-port', short: 'p', value: 'PORT', env: [], default: String(OUTBOUND_CAPTURE_PORT), help: 'where captured outbound connections go' },
  flag('inbound-capture-port', 'z', 'PORT', 'where captured inbound connections go', String(INBOUND_CAPTURE_PORT)),
  flag('inbound-tunnel-port', 'e', 'PORT', 'tunnel port, not captured', String(INBOUND_TUNNEL_PORT)),
  flag('proxy-uid', 'u', 'UIDS', "users whose traffic is left alone: the proxy's", `the user istio-proxy, else ${PROXY_ID}`),
  flag('proxy-gid', 'g', 'GIDS', 'groups whose traffic is left alone', 'as --proxy-uid'),
  flag('istio-inbound-interception-mode', 'm', 'REDIRECT|TPROXY', 'how inbound connections are captured', 'REDIRECT'),
  flag('istio-inbound-ports', 'b', 'PORTS', "inbound ports to capture, '*' for all", 'none'),
  flag('istio-local-exclude-ports', 'd', 'PORTS', "inbound ports to leave alone where -b is '*'"),
  flag('istio-exclude-interfaces', 'c', 'NAMES', 'network interfaces whose traffic is left alone'),
  flag('istio-service-cidr', 'i', 'RANGES', "outbound address ranges to capture, '*' for all", 'none'),
  flag('istio-service-exclude-cidr', 'x', 'RANGES', 'outbound address ranges to leave alone'),
  flag('istio-outbound-ports', 'q', 'PORTS', 'outbound ports to capture whatever the address'),
  flag('istio-local-outbound-ports-exclude', 'o', 'PORTS', 'outbound ports to leave alone'),
  flag('kube-virt-interfaces', 'k', 'NAMES', 'interfaces of virtual machines: what comes in there counts as outbound'),
  flag('istio-inbound-tproxy-mark', 't', 'MARK', 'packet mark of TPROXY', String(TPROXY_MARK)),
  flag('istio-inbound-tproxy-route-table', 'r', 'TABLE', 'routing table of TPROXY', String(TPROXY_ROUTE_TABLE)),
  toggle('redirect-dns', 'capture DNS to the name servers of resolv.conf', 'ISTIO_META_DNS_CAPTURE'),
  toggle('capture-all-dns', 'with --redirect-dns: DNS to any server'),
  toggle('drop-invalid', 'drop packets that belong to no connection', 'INVALID_DROP'),
  toggle('dual-stack', 'rules for IPv6 whatever the first address is', 'ISTIO_DUAL_STACK'),
];

/** Variables of istio-iptables that have no flag. */
export const ENVIRONMENT_ONLY = [
  ['ISTIO_OUTBOUND_OWNER_GROUPS', "groups whose outbound traffic is captured, '*' for all (default *)"],
  ['ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE', 'groups whose outbound traffic is left alone'],
  ['ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR', 'range that counts as loopback (default 127.0.0.1/32)'],
] as const;

/** All included groups become one rule, and a rule holds a limited number of matches (istio-iptables' own limit). */
const MOST_OWNER_GROUPS = 64;
const LARGEST_MARK = 0xffff_ffff;

/** Last value given for each flag, `'true'` or `'false'` for a switch. */
export type GivenValues = ReadonlyMap<string, string>;
export type Variables = Readonly<Record<string, string | undefined>>;

/** Flag, then variable, then default. An empty value is the default, as an absent one. */
export function parseCaptureOptions(given: GivenValues, env: Variables, host: HostFacts): Parsed<CaptureOptions> {
  const reader = new ValueReader(given, env);
  const options = readOptions(reader, host);
  return reader.mistake === undefined ? { ok: true, value: options } : values.invalid(reader.mistake);
}

function readOptions(reader: ValueReader, host: HostFacts): CaptureOptions {
  const proxyUids = reader.read('proxy-uid', [host.proxyUid ?? PROXY_ID], values.parseOwners);
  return {
    outboundPort: reader.read('envoy-port', OUTBOUND_CAPTURE_PORT, values.parsePort),
    inboundPort: reader.read('inbound-capture-port', INBOUND_CAPTURE_PORT, values.parsePort),
    tunnelPort: reader.read('inbound-tunnel-port', INBOUND_TUNNEL_PORT, values.parsePort),
    proxyUids,
    proxyGids: reader.read('proxy-gid', proxyUids, values.parseOwners),
    mode: reader.read('istio-inbound-interception-mode', 'REDIRECT', parseMode),
    tproxyMark: reader.read('istio-inbound-tproxy-mark', TPROXY_MARK, values.parseNumber(1, LARGEST_MARK)),
    tproxyRouteTable: reader.read('istio-inbound-tproxy-route-table', TPROXY_ROUTE_TABLE, values.parseNumber(1, LARGEST_MARK)),
    inboundPorts: reader.read('istio-inbound-ports', [], values.parsePortSelection),
    inboundPortsExclude: reader.read('istio-local-exclude-ports', [], values.parsePorts),
    outboundRanges: reader.read('istio-service-cidr', values.NO_RANGES, values.parseRangeSelection),
    outboundRangesExclude: reader.read('istio-service-exclude-cidr', values.NO_RANGES, values.parseRanges),
    outboundPorts: reader.read('istio-outbound-ports', [], values.parsePorts),
    outboundPortsExclude: reader.read('istio-local-outbound-ports-exclude', [], values.parsePorts),
    excludeInterfaces: reader.read('istio-exclude-interfaces', [], values.parseInterfaces),
    rerouteInterfaces: reader.read('kube-virt-interfaces', [], values.parseInterfaces),
    ownerGroups: readOwnerGroups(reader),
    dns: readDns(reader, host),
    dropInvalid: reader.read('drop-invalid', false, values.parseBoolean),
    loopbackRange: reader.variable('ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR', '127.0.0.1/32', values.parseLoopbackRange),
    ipv6: reader.read('dual-stack', false, values.parseBoolean) || host.firstAddressIsV6,
  };
}

function readOwnerGroups(reader: ValueReader): CaptureOptions['ownerGroups'] {
  const only = reader.variable<values.Selection<string>>('ISTIO_OUTBOUND_OWNER_GROUPS', '*', parseOwnerSelection);
  const except = reader.variable('ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE', [], values.parseOwners);
  return only === '*' ? { except } : { only };
}

function parseOwnerSelection(text: string): Parsed<Selection<string>> {
  if (text.trim() === '*') return { ok: true, value: '*' };
  const groups = values.parseOwners(text);
  if (groups.ok && groups.value.length > MOST_OWNER_GROUPS) return values.invalid(`${groups.value.length} groups are more than the ${MOST_OWNER_GROUPS} that one rule holds`);
  return groups;
}

/** Without a server to name and without --capture-all-dns there is nothing to capture. */
function readDns(reader: ValueReader, { nameServers }: HostFacts): CaptureOptions['dns'] {
  const redirect = reader.read('redirect-dns', false, values.parseBoolean);
  const all = reader.read('capture-all-dns', false, values.parseBoolean);
  if (!redirect) return 'off';
  if (all) return 'all';
  if (nameServers.v4.length + nameServers.v6.length === 0) return 'off';
  return { v4: nameServers.v4.map((server) => `${server}/32`), v6: nameServers.v6.map((server) => `${server}/128`) };
}

function parseMode(text: string): Parsed<'REDIRECT' | 'TPROXY'> {
  if (text === 'REDIRECT' || text === 'TPROXY') return { ok: true, value: text };
  return values.invalid(text === 'NONE' ? "'NONE' is a pod without interception: make no rules at all" : `'${text}' is not REDIRECT or TPROXY`);
}

function flag(name: string, short: string, value: string, help: string, fallback?: string): CaptureFlag {
  return { name, short, value, env: [variableOf(name)], help, ...(fallback === undefined ? {} : { default: fallback }) };
}

function toggle(name: string, help: string, ...further: readonly string[]): CaptureFlag {
  return { name, env: [variableOf(name), ...further], help };
}

/** Upper case, `-` as `_`. */
export function variableOf(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}

/** Looks values up and keeps the first mistake with the name that the user wrote. */
class ValueReader {
  mistake: string | undefined;
  readonly #given: GivenValues;
  readonly #env: Variables;

  constructor(given: GivenValues, env: Variables) {
    this.#given = given;
    this.#env = env;
  }

  read<T, D>(name: string, fallback: D, parse: (text: string) => Parsed<T>): T | D {
    const text = this.#given.get(name);
    if (text !== undefined) return text === '' ? fallback : this.#parse(`--${name}`, text, fallback, parse);
    const variable = CAPTURE_FLAGS.find((candidate) => candidate.name === name)?.env.find((candidate) => (this.#env[candidate] ?? '') !== '');
    return variable === undefined ? fallback : this.variable(variable, fallback, parse);
  }

  variable<T, D = T>(name: string, fallback: D, parse: (text: string) => Parsed<T>): T | D {
    const text = this.#env[name] ?? '';
    return text === '' ? fallback : this.#parse(name, text, fallback, parse);
  }

  #parse<T, D>(written: string, text: string, fallback: D, parse: (text: string) => Parsed<T>): T | D {
    const parsed = parse(text);
    if (parsed.ok) return parsed.value;
    this.mistake ??= `${written}: ${parsed.message}`;
    return fallback;
  }
}
