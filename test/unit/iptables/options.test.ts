/** Words, variables and annotations to options: every value that is taken, and every one that is refused. */

import t from 'tap';
import { captureOfAnnotations, type Annotations } from '../../../iptables/annotations.ts';
import { CAPTURE_FLAGS, parseCaptureOptions, variableOf, type CaptureOptions, type HostFacts } from '../../../iptables/options.ts';

const POD: HostFacts = { firstAddressIsV6: false, nameServers: { v4: ['10.96.0.10'], v6: [] } };

function parse(given: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}, host: HostFacts = POD): CaptureOptions | string {
  const parsed = parseCaptureOptions(new Map(Object.entries(given)), env, host);
  return parsed.ok ? parsed.value : parsed.message;
}

const DEFAULTS: CaptureOptions = {
  outboundPort: 15001,
  inboundPort: 15006,
  tunnelPort: 15008,
  proxyUids: ['1337'],
  proxyGids: ['1337'],
  mode: 'REDIRECT',
  tproxyMark: 1337,
  tproxyRouteTable: 133,
  inboundPorts: [],
  inboundPortsExclude: [],
  outboundRanges: { v4: [], v6: [] },
  outboundRangesExclude: { v4: [], v6: [] },
  outboundPorts: [],
  outboundPortsExclude: [],
  excludeInterfaces: [],
  rerouteInterfaces: [],
  ownerGroups: { except: [] },
  dns: 'off',
  dropInvalid: false,
  loopbackRange: '127.0.0.1/32',
  ipv6: false,
};

t.test('defaults', async (t) => {
  t.same(parse({}), DEFAULTS);
  t.same(parse({ 'istio-inbound-ports': '', 'istio-service-exclude-cidr': '', 'proxy-uid': '' }), DEFAULTS, 'empty is absent');
  t.match(parse({}, {}, { ...POD, proxyUid: '1001' }), { proxyUids: ['1001'], proxyGids: ['1001'] }, 'the user istio-proxy, and the group as the user');
  t.match(parse({ 'proxy-uid': '5' }), { proxyUids: ['5'], proxyGids: ['5'] });
  t.match(parse({}, {}, { ...POD, firstAddressIsV6: true }), { ipv6: true });
});

t.test('each option gives its value', async (t) => {
  const rows: [name: string, text: string, expected: object][] = [
    ['envoy-port', '16001', { outboundPort: 16001 }],
    ['inbound-capture-port', '65535', { inboundPort: 65535 }],
    ['inbound-tunnel-port', '1', { tunnelPort: 1 }],
    ['proxy-uid', '3,4,1000-1100,envoy', { proxyUids: ['3', '4', '1000-1100', 'envoy'] }],
    ['proxy-gid', '1, 2', { proxyGids: ['1', '2'] }],
    ['istio-inbound-interception-mode', 'TPROXY', { mode: 'TPROXY' }],
    ['istio-inbound-ports', '*', { inboundPorts: '*' }],
    ['istio-inbound-ports', ' 80, 8000:8010 ,', { inboundPorts: ['80', '8000:8010'] }],
    ['istio-local-exclude-ports', '15090,15021', { inboundPortsExclude: ['15090', '15021'] }],
    ['istio-exclude-interfaces', 'eth1,veth0.100,net+', { excludeInterfaces: ['eth1', 'veth0.100', 'net+'] }],
    ['istio-service-cidr', '*', { outboundRanges: '*' }],
    ['istio-service-cidr', '10.1.2.3/8,FD00:0::1/64', { outboundRanges: { v4: ['10.1.2.3/8'], v6: ['fd00::1/64'] } }],
    ['istio-service-exclude-cidr', '::ffff:1.2.3.4/128,0.0.0.0/0', { outboundRangesExclude: { v4: ['0.0.0.0/0'], v6: ['::ffff:1.2.3.4/128'] } }],
    ['istio-outbound-ports', '443', { outboundPorts: ['443'] }],
    ['istio-local-outbound-ports-exclude', '22,', { outboundPortsExclude: ['22'] }],
    ['kube-virt-interfaces', 'k6t-eth0', { rerouteInterfaces: ['k6t-eth0'] }],
    ['istio-inbound-tproxy-mark', '1400', { tproxyMark: 1400 }],
    ['istio-inbound-tproxy-route-table', '140', { tproxyRouteTable: 140 }],
    ['redirect-dns', 'true', { dns: { v4: ['10.96.0.10/32'], v6: [] } }],
    ['drop-invalid', 'T', { dropInvalid: true }],
    ['dual-stack', '1', { ipv6: true }],
  ];
  for (const [name, text, expected] of rows) {
    t.match(parse({ [name]: text }), expected, `--${name} ${text}`);
    const variables = CAPTURE_FLAGS.find((flag) => flag.name === name)?.env ?? [];
    for (const variable of variables) t.match(parse({}, { [variable]: text }), expected, `${variable}=${text}`);
  }
  t.same(rows.map(([name]) => name).filter((name) => CAPTURE_FLAGS.every((flag) => flag.name !== name)), []);
  t.same(CAPTURE_FLAGS.map(({ name }) => name).filter((name) => rows.every(([row]) => row !== name)), ['capture-all-dns'], 'every option has a row');
});

t.test('flag before variable, variable before default', async (t) => {
  t.match(parse({ 'istio-inbound-ports': '80' }, { ISTIO_INBOUND_PORTS: '*' }), { inboundPorts: ['80'] });
  t.match(parse({ 'redirect-dns': 'false' }, { ISTIO_META_DNS_CAPTURE: 'true' }), { dns: 'off' });
  t.match(parse({}, { ISTIO_META_DNS_CAPTURE: 'true', CAPTURE_ALL_DNS: 'true' }), { dns: 'all' });
  t.match(parse({}, { CAPTURE_ALL_DNS: 'true' }), { dns: 'off' }, 'alone it does nothing');
  t.match(parse({}, { INVALID_DROP: 'true', DROP_INVALID: 'false' }), { dropInvalid: false });
  t.match(parse({}, { ENVOY_PORT: 'tcp://10.0.0.1:80' }), { outboundPort: 15001 }, "a Service's variable is not read");
  t.match(parse({ 'redirect-dns': 'true' }, {}, { ...POD, nameServers: { v4: [], v6: [] } }), { dns: 'off' }, 'no server to name');
  t.match(parse({}, { ISTIO_OUTBOUND_OWNER_GROUPS: 'java,202' }), { ownerGroups: { only: ['java', '202'] } });
  t.match(parse({}, { ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: '888' }), { ownerGroups: { except: ['888'] } });
  t.match(parse({}, { ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: '127.0.0.0/8' }), { loopbackRange: '127.0.0.0/8' });
  t.equal(variableOf('istio-inbound-ports'), 'ISTIO_INBOUND_PORTS');
});

t.test('what cannot be meant is refused by the name the user wrote', async (t) => {
  const rows: [given: Readonly<Record<string, string>>, env: Readonly<Record<string, string>>, message: RegExp][] = [
    [{ 'envoy-port': '0' }, {}, /^--envoy-port: '0' is not a port \(1-65535\)$/],
    [{ 'envoy-port': '65536' }, {}, /is not a port/],
    [{ 'inbound-capture-port': '15006\n-A OUTPUT -j DROP' }, {}, /is not a port/],
    [{}, { INBOUND_CAPTURE_PORT: 'x' }, /^INBOUND_CAPTURE_PORT: 'x' is not a port/],
    [{ 'istio-inbound-ports': '80,*' }, {}, /^--istio-inbound-ports: '\*' is not a port \(1-65535\) or a range N:M$/],
    [{ 'istio-inbound-ports': '90:80' }, {}, /'90:80' is not a port/],
    [{ 'istio-inbound-ports': '80 81' }, {}, /'80 81' is not a port/],
    [{ 'istio-service-cidr': '10.0.0.1' }, {}, /'10\.0\.0\.1' is not an address range such as 10\.0\.0\.0\/8 or fd00::\/8, did you mean 10\.0\.0\.1\/32\?$/],
    [{ 'istio-service-cidr': 'fd00::1' }, {}, /did you mean fd00::1\/128\?$/],
    [{ 'istio-service-cidr': '10.0.0.0/33' }, {}, /is not an address range/],
    [{ 'istio-service-cidr': 'fe80::1%eth0/64' }, {}, /is not an address range/],
    [{ 'istio-service-exclude-cidr': '*' }, {}, /^--istio-service-exclude-cidr: '\*' is not an address range/],
    [{ 'istio-exclude-interfaces': 'a-name-too-long-for-linux' }, {}, /is not the name of a network interface/],
    [{ 'istio-exclude-interfaces': '-j' }, {}, /is not the name of a network interface/],
    [{ 'istio-exclude-interfaces': 'a b' }, {}, /is not the name of a network interface/],
    [{ 'proxy-uid': '1337 -j ACCEPT' }, {}, /is not a user or group/],
    [{ 'istio-inbound-interception-mode': 'NONE' }, {}, /'NONE' is a pod without interception/],
    [{ 'istio-inbound-interception-mode': 'redirect' }, {}, /'redirect' is not REDIRECT or TPROXY/],
    [{ 'istio-inbound-tproxy-mark': '0' }, {}, /is not a whole number from 1 to 4294967295/],
    [{ 'dual-stack': 'yes' }, {}, /^--dual-stack: 'yes' is not true or false$/],
    [{}, { ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: '10.0.0.0/8' }, /^ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: '10\.0\.0\.0\/8' is not an IPv4 range within 127\.0\.0\.0\/8$/],
    [{}, { ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: '127.0.0.0/7' }, /is not an IPv4 range/],
    [{}, { ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR: '::1/128' }, /is not an IPv4 range/],
    [{}, { ISTIO_OUTBOUND_OWNER_GROUPS: Array.from({ length: 65 }, (_, id) => id).join() }, /65 groups are more than the 64/],
  ];
  for (const [given, env, message] of rows) t.match(parse(given, env), message, JSON.stringify([given, env]).slice(0, 80));
});

t.test('annotations', async (t) => {
  const traffic = 'traffic.sidecar.istio.io';
  const words = (annotations: Annotations, defaults = {}): string => {
    const capture = captureOfAnnotations(annotations, defaults);
    if (!capture.ok) return capture.problems.map(({ annotation, message }) => `${annotation}: ${message}`).join('\n');
    return capture.mode === 'NONE' ? 'NONE' : capture.arguments.join(' ');
  };
  const rows: [annotations: Annotations, words: string | RegExp][] = [
    [{}, '-m REDIRECT -i * -b * -d 15090,15021,15020'],
    [{ [`${traffic}/includeInboundPorts`]: '' }, '-m REDIRECT -i * -b  -d 15090,15021,15020'],
    [{ [`${traffic}/includeInboundPorts`]: '80,81' }, '-m REDIRECT -i * -b 80,81 -d 15090,15021,15020'],
    [{ [`${traffic}/excludeInboundPorts`]: '9000, 15020' }, '-m REDIRECT -i * -b * -d 15090,15021,9000,15020'],
    [{ 'status.sidecar.istio.io/port': '0' }, '-m REDIRECT -i * -b * -d 15090,15021'],
    [{ 'status.sidecar.istio.io/port': '' }, '-m REDIRECT -i * -b * -d 15090,15021,15020'],
    [{ [`${traffic}/includeOutboundIPRanges`]: '', [`${traffic}/includeOutboundPorts`]: '443' }, '-m REDIRECT -i  -b * -d 15090,15021,15020 -q 443'],
    [{ [`${traffic}/excludeOutboundIPRanges`]: '10.0.0.0/8', [`${traffic}/excludeOutboundPorts`]: '5432' }, '-m REDIRECT -i * -x 10.0.0.0/8 -b * -d 15090,15021,15020 -o 5432'],
    [{ [`${traffic}/excludeInterfaces`]: 'net1', [`${traffic}/kubevirtInterfaces`]: 'old', 'istio.io/reroute-virtual-interfaces': 'new' }, '-m REDIRECT -i * -b * -d 15090,15021,15020 -k new -c net1'],
    [{ [`${traffic}/kubevirtInterfaces`]: 'old' }, '-m REDIRECT -i * -b * -d 15090,15021,15020 -k old'],
    [{ 'sidecar.istio.io/interceptionMode': 'TPROXY' }, '-m TPROXY -i * -b * -d 15090,15021,15020'],
    [{ 'sidecar.istio.io/interceptionMode': 'NONE', [`${traffic}/includeInboundPorts`]: '*' }, 'NONE'],
    [{ [`${traffic}/includeInboundPorts`]: 'http', [`${traffic}/excludeOutboundIPRanges`]: '10.0.0.0' }, /^\S+\/excludeOutboundIPRanges: '10\.0\.0\.0' is not an address range.*\n\S+\/includeInboundPorts: 'http' is not a port/],
    [{ 'sidecar.istio.io/interceptionMode': 'BOTH' }, /interceptionMode: 'BOTH' is not REDIRECT, TPROXY or NONE/],
    [{ constructor: 'x' }, '-m REDIRECT -i * -b * -d 15090,15021,15020'],
  ];
  for (const [annotations, expected] of rows) t.match(words(annotations), expected, JSON.stringify(annotations));
  t.equal(words({}, { dnsCapture: true, mode: 'TPROXY' }), '-m TPROXY -i * -b * -d 15090,15021,15020 --redirect-dns');
  t.equal(words({ 'sidecar.istio.io/interceptionMode': 'REDIRECT' }, { mode: 'NONE' }), '-m REDIRECT -i * -b * -d 15090,15021,15020');
});
