/** Broken snapshots: each says what is wrong, exactly where, and once. The mark `▸` stands before the expected position. */

import t from 'tap';
import { loadSnapshot } from '../../../../config/load/snapshot.ts';
import type { Problem } from '../../../../config/runtime/problem.ts';

/** Text with the mark, and a part of the one error's `path: message`. */
type Broken = readonly [name: string, text: string, expected: string];

const MARK = '▸';

function markedPosition(text: string): string {
  const before = text.slice(0, text.indexOf(MARK)).split('\n');
  return `${before.length}:${before.at(-1)!.length + 1}`;
}

function problemsOf(text: string): readonly Problem[] {
  return loadSnapshot(['-'], { stdin: () => text }).problems;
}

function table(title: string, cases: readonly Broken[], severity: Problem['severity'] = 'error'): void {
  t.test(title, async (t) => {
    for (const [name, marked, expected] of cases) {
      const found = problemsOf(marked.replace(MARK, '')).filter((problem) => problem.severity === severity);
      const shown = found.map(({ line, column, path, message, code }) => `${line}:${column} ${path}: ${message} [${code ?? ''}]`);
      t.equal(found.length, 1, `${name}: one ${severity}, got ${shown.join(' | ')}`);
      t.equal(shown[0]?.split(' ', 1)[0], markedPosition(marked), `${name}: position`);
      t.ok(shown[0]?.includes(expected), `${name}: ${shown[0]} includes ${expected}`);
    }
  });
}

/** A resource whose spec's lines, indented by two, begin on line 5. */
function resource(kind: string): (spec: string) => string {
  return (spec) => `apiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata: {name: a}\nspec:\n${indent(spec, '  ')}`;
}

function indent(text: string, margin: string): string {
  return text.split('\n').map((line) => `${margin}${line}`).join('\n');
}

const virtualService = resource('VirtualService');
/** One http route with the given fields. */
const http = (fields: string): string => virtualService(`hosts: [a]\nhttp:\n-\n${indent(fields, '  ')}`);
/** One http route that forwards, with further fields. */
const forward = (fields: string): string => http(`route: [{destination: {host: a}}]\n${fields}`);
const rule = resource('DestinationRule');
const policy = (fields: string): string => rule(`host: a\ntrafficPolicy:\n${indent(fields, '  ')}`);
const gateway = resource('Gateway');
const server = (fields: string): string => gateway(`servers:\n-\n${indent(fields, '  ')}`);
const entry = resource('ServiceEntry');
const sidecar = resource('Sidecar');
const mesh = (fields: string): string => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n${indent(fields, '    ')}\n`;
const head = 'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n';
const good = `${head}spec: {hosts: [a], http: [{route: [{destination: {host: a}}]}]}\n`;

table('text', [
  ['tab as indentation', `${head}spec:\n▸\thosts: [a]\n`, 'a tab is used for indentation'],
  ['duplicate key', `${head}spec:\n  hosts: [a]\n  ▸hosts: [b]\n`, 'the key "hosts" is written twice'],
  ['duplicate quoted key', `${head}spec:\n  hosts: [a]\n  ▸"hosts": [b]\n`, 'the key "hosts" is written twice'],
  ['duplicate JSON key', '{"kind": "a",\n ▸"kind": "b"}', 'the key "kind" is written twice'],
  ['__proto__', `${head}spec:\n  ▸__proto__: {hosts: [a]}\n`, 'the key "__proto__" is refused'],
  ['__proto__ in JSON', '{"apiVersion": "v1", ▸"__proto__": {"kind": "Service"}}', 'the key "__proto__" is refused'],
  ['constructor is just an unknown field', good.replace('[a], http', '[a], ▸constructor: {}, http'), 'spec.constructor: unknown field "constructor"'],
  ['anchors multiply', `a: &a [x,x,x,x,x,x,x,x]\nb: &b [▸*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c]\n`, 'aliases expand too far'],
  ['anchors nest', `a0: &a0 {}\na1: &a1 {x: ▸*a0}\n${Array.from({ length: 150 }, (_, i) => `a${i + 2}: &a${i + 2} {x: *a${i + 1}}`).join('\n')}\n`, 'aliases expand too far'],
  ['unknown anchor', `${head}spec: ▸*missing\n`, 'unresolved alias'],
  ['10,000 deep brackets', `a: ${'['.repeat(99)}▸${'['.repeat(9901)}`, 'nested deeper than 100 levels'],
  ['10,000 deep dashes', `${'- '.repeat(100)}▸${'- '.repeat(9900)}a`, 'nested deeper than 100 levels'],
  ['10,000 deep JSON', `${'{"a":'.repeat(100)}▸${'{"a":'.repeat(9900)}1${'}'.repeat(10_000)}`, 'nested deeper than 100 levels'],
  ['JavaScript tag', `${head}spec: ▸!!js/function "x"\n`, 'the tag is not supported'],
  ['map as key', `? ▸{a: 1}\n: b\n`, 'a key must be text'],
  ['unclosed quote', `a: "abc\nb: 1\n▸`, 'missing closing "quote'],
  ['unknown escape', `a: "▸\\q"\n`, 'invalid escape sequence'],
  ['wrong indentation', `a:\n   b: 1\n▸  c: 2\n`, 'wrong indentation'],
  ['missing colon', `${head}▸spec\n  hosts\n`, 'is a ":" missing here?'],
  ['second colon', `${head}spec:\n  hosts: ▸a: b\n`, 'a second ": " on one line'],
  ['rubbish after JSON', '{"a": 1} ▸x', 'expected the end of the document'],
  ['unfinished JSON', '{"a": 1,\n "b": ▸', 'expected a value, found the end of the file'],
  ['second document broken', `${good}---\n${head.replace('name: a', 'name: b')}spec: [\n▸`, 'flow sequence'],
]);

table('documents', [
  ['scalar', '▸hello', 'must be a map with apiVersion, kind and metadata'],
  ['list', '▸- a', 'must be a map'],
  ['no kind', '▸apiVersion: v1\nmetadata: {name: a}\n', 'needs kind'],
  ['no apiVersion', '▸kind: Service\nmetadata: {name: a}\n', 'needs apiVersion'],
  ['kind not text', 'apiVersion: v1\nkind: ▸5\n', 'kind: must be text'],
  ['no name', `${head.replace('{name: a}', '{}').replace('metadata', '▸metadata')}spec: {hosts: [a], http: [{route: [{destination: {host: a}}]}]}`, 'metadata.name: is required'],
  ['bad name', good.replace('name: a', 'name: ▸A_b'), 'metadata.name: "A_b" is not a resource name'],
  ['bad namespace', good.replace('name: a', 'name: a, namespace: ▸b.c'), 'metadata.namespace: "b.c" is not a DNS label'],
  ['unknown metadata', good.replace('name: a', 'name: a, ▸lables: {}'), 'metadata.lables: unknown field "lables"; did you mean "labels"?'],
  ['label not text', good.replace('name: a', 'name: a, labels: {version: ▸1.10}'), 'metadata.labels.version: must be text, got the number 1.1 (put it in quotes)'],
  ['bad timestamp', good.replace('name: a', 'name: a, creationTimestamp: ▸yesterday'), 'is not a time'],
  ['unknown kind', 'apiVersion: networking.istio.io/v1\nkind: ▸VirtualServce\nmetadata: {name: a}\n', 'unknown kind "VirtualServce"; did you mean "VirtualService"?'],
  ['unknown kind of the core group', 'apiVersion: v1\nkind: ▸Endpoint\nmetadata: {name: a}\n', 'did you mean "Endpoints"?'],
  ['unknown kind, nothing near', 'apiVersion: networking.istio.io/v1\nkind: ▸Elephant\nmetadata: {name: a}\n', 'networking.istio.io has no kind "Elephant"'],
  ['unknown version', good.replace('networking.istio.io/v1', '▸networking.istio.io/v2'), 'use networking.istio.io/v1, networking.istio.io/v1beta1, networking.istio.io/v1alpha3'],
  ['misspelt group', good.replace('networking.istio.io/v1', '▸networking.istoi.io/v1'), '"networking.istoi.io/v1" is not an apiVersion of VirtualService'],
  ['core kind in a wrong version', 'apiVersion: ▸v2\nkind: Service\nmetadata: {name: a}\n', '"v2" is not an apiVersion of Service; use v1'],
  ['unknown top-level field', `${good}▸spek: {}\n`, 'spek: unknown field "spek"; did you mean "spec"?'],
  ['defined twice', `${good}---\n▸${good}`, 'is defined twice; the first is at -:1'],
  ['in a List', `kind: List\napiVersion: v1\nitems:\n- apiVersion: networking.istio.io/v1\n  kind: VirtualService\n  metadata: {name: a}\n  spec:\n    hosts: [a]\n    ▸htp: []\n    tcp: [{route: [{destination: {host: a}}]}]\n`, 'spec.htp: unknown field "htp"; did you mean "http"?'],
  ['in a JSON List', '{"kind":"List","apiVersion":"v1","items":[\n  {"kind":"Namespace","apiVersion":"v1","metadata":{"name":"a"}},\n  {"kind":"Namespace","apiVersion":"v1","metadata":{"name":▸5}}]}', 'metadata.name: must be text'],
  ['no map in a List', 'kind: List\napiVersion: v1\nitems:\n- ▸5\n', 'must be a map'],
]);

table('VirtualService', [
  ['unknown field', virtualService('hosts: [a]\n▸htp: []\ntcp: [{route: [{destination: {host: a}}]}]'), 'spec.htp: unknown field "htp"; did you mean "http"?'],
  ['no routes', '▸spec:\n  hosts: [a]\n'.replace(/^/, head), 'needs http, tls or tcp routes'],
  ['spec is a list', `${head}▸spec: [a]\n`, 'spec: must be a map, got a list'],
  ['hosts is text', virtualService('hosts: ▸a\nhttp: [{route: [{destination: {host: a}}]}]'), 'spec.hosts: must be a list, got the text "a"'],
  ['star in the mesh', virtualService('hosts: [▸"*"]\nhttp: [{route: [{destination: {host: a}}]}]'), '"*" is not allowed in the mesh'],
  ['invalid host', virtualService('hosts: [▸a..b]\nhttp: [{route: [{destination: {host: a}}]}]'), '"a..b" is not a host name'],
  ['host with a port', virtualService('hosts: [▸"a:80"]\nhttp: [{route: [{destination: {host: a}}]}]'), '"a:80" must not have a port'],
  ['inner wildcard', virtualService('hosts: [▸a.*.com]\nhttp: [{route: [{destination: {host: a}}]}]'), 'a wildcard is only allowed as the whole left-most label'],
  ['overlapping hosts', virtualService('hosts: ["*.com", ▸"*.foo.com"]\nhttp: [{route: [{destination: {host: a}}]}]'), '"*.foo.com" overlaps with "*.com"'],
  ['repeated host', virtualService('hosts: [a.b, ▸a.b]\nhttp: [{route: [{destination: {host: a}}]}]'), '"a.b" is listed twice'],
  ['delegate with gateways', virtualService('▸gateways: [g]\nhttp: [{route: [{destination: {host: a}}]}]'), 'spec.gateways: is not allowed without hosts'],
  ['delegate of a delegate', virtualService('http:\n- ▸delegate: {name: b}'), 'a delegate cannot delegate again'],
  ['relative gateway', virtualService('hosts: [a]\ngateways: [▸./g]\nhttp: [{route: [{destination: {host: a}}]}]'), '"." is not a namespace'],
  ['exportTo nobody', virtualService('hosts: [a]\nexportTo: [▸"~"]\nhttp: [{route: [{destination: {host: a}}]}]'), '"~" (nobody) is not allowed here'],
  ['exportTo twice', virtualService('hosts: [a]\nexportTo: [b, ▸b]\nhttp: [{route: [{destination: {host: a}}]}]'), '"b" is listed twice'],
  ['exportTo all and more', virtualService('hosts: [a]\nexportTo: [▸"*", b]\nhttp: [{route: [{destination: {host: a}}]}]'), '"*" must be the only entry'],
  ['no action', virtualService('hosts: [a]\nhttp:\n- ▸name: x'), 'needs one of route, redirect, directResponse, delegate'],
  ['two actions', forward('▸redirect: {uri: /x}'), 'only one of route, redirect, directResponse, delegate may be set, got route and redirect'],
  ['root delegate with route', forward('▸delegate: {name: b}'), 'got route and delegate'],
  ['fault with redirect', http('redirect: {uri: /x}\n▸fault: {abort: {httpStatus: 500, percentage: {value: 1}}}'), 'cannot be combined with redirect'],
  ['rewrite with directResponse', http('directResponse: {status: 200}\n▸rewrite: {uri: /}'), 'cannot be combined with directResponse'],
  ['mirror and mirrors', forward('mirror: {host: b}\n▸mirrors: [{destination: {host: c}}]'), 'cannot be combined with mirror'],
  ['mirror percentage', forward('mirror: {host: b}\nmirrorPercentage: {value: ▸101}'), 'must be a number from 0 to 100, got 101'],
  ['both spellings', forward('mirror: {host: b}\nmirrorPercent: 5\n▸mirror_percent: 6'), 'unknown field "mirror_percent"'],
  ['empty rewrite', forward('▸rewrite: {}'), 'changes nothing'],
  ['rewrite twice', forward('rewrite:\n  uri: /\n  ▸uriRegexRewrite: {match: a, rewrite: b}'), 'only one of uri, uriRegexRewrite may be set'],
  ['half a regex rewrite', forward('rewrite:\n  ▸uriRegexRewrite: {match: a}'), 'uriRegexRewrite.rewrite: is required'],
  ['regex rewrite not RE2', forward('rewrite: {uriRegexRewrite: {match: ▸"(?=a)", rewrite: b}}'), 'is not an RE2 regular expression'],
  ['unknown group', forward('rewrite: {uriRegexRewrite: {match: (a), rewrite: ▸\'\\2\'}}'), 'names a group, the expression has only 1'],
  ['empty redirect', http('▸redirect: {}'), 'changes nothing'],
  ['redirect code', http('redirect: {uri: /, redirectCode: ▸200}'), 'must be a 3xx status code, got 200'],
  ['redirect scheme', http('redirect: {scheme: ▸ftp}'), 'must be http or https, got "ftp"'],
  ['redirect port and derivePort', http('redirect:\n  port: 80\n  derivePort: ▸FROM_REQUEST_PORT'), 'only one of port, derivePort may be set'],
  ['redirect uri and prefix', http('match: [{uri: {prefix: /a}}]\nredirect:\n  uri: /\n  prefixRewrite: ▸/b'), 'only one of uri, prefixRewrite may be set'],
  ['prefixRewrite without prefix', http('match: [{uri: {exact: /a}}]\nredirect:\n  prefixRewrite: ▸/b'), 'needs a uri prefix in every match (match[0] has none)'],
  ['direct response status', http('directResponse: {status: ▸600}'), 'must be a whole number from 200 to 599, got 600'],
  ['direct response without status', http('▸directResponse: {body: {string: a}}'), 'directResponse.status: is required'],
  ['direct response body twice', http('directResponse:\n  status: 200\n  body:\n    string: a\n    bytes: ▸YQ=='), 'only one of string, bytes may be set'],
  ['direct response not base64', http('directResponse:\n  status: 200\n  body: {bytes: ▸"a-b"}'), 'is not base64'],
  ['direct response too large', http(`directResponse:\n  status: 200\n  ▸body: {string: ${'a'.repeat(1_048_577)}}`), 'must be at most 1 MiB'],
  ['negative attempts', forward('retries: {attempts: ▸-1}'), 'must be a whole number from 0 to 2147483647, got -1'],
  ['attempts 0 with more', forward('retries: {attempts: ▸0, perTryTimeout: 1s}'), 'attempts is 0, which switches retries off'],
  ['unknown retry condition', forward('retries: {attempts: 1, retryOn: ▸"5xx,conect-failure"}'), 'did you mean "connect-failure"?'],
  ['retry status', forward('retries: {attempts: 1, retryOn: ▸"600"}'), '600 is not an HTTP status code'],
  ['timeout in no form', forward('timeout: ▸5 parsecs'), 'is not a duration such as "500ms"'],
  ['timeout without unit', forward('timeout: ▸5'), 'must be a duration such as "500ms", "5s", "1m30s" or "1h", got the number 5'],
  ['zero timeout', forward('timeout: ▸0s'), 'must be at least 1ms (leave the field out for none)'],
  ['timeout below a millisecond', forward('timeout: ▸1500us'), 'must be whole milliseconds'],
  ['negative timeout', forward('timeout: ▸-1s'), 'must be at least 1ms'],
  ['negative weight', http('route: [{destination: {host: a}, weight: ▸-1}]'), 'weight: must be a whole number'],
  ['weight not finite', http('route: [{destination: {host: a}, weight: ▸1e999}]'), 'got the number Infinity'],
  ['weight with octal zero', http('route: [{destination: {host: a}, weight: ▸"010"}]'), 'got the text "010" (write it without quotes)'],
  ['fractional weight', http('route: [{destination: {host: a}, weight: ▸1.5}]'), 'must be a whole number'],
  ['all weights 0', http('▸route: [{destination: {host: a}}, {destination: {host: b}}]'), 'must not all be 0'],
  ['destination star', http('route: [{destination: {host: ▸"*"}}]'), 'a destination cannot be "*"'],
  ['destination missing', http('route: [▸{weight: 1}]'), 'route[0].destination: is required'],
  ['destination host missing', http('route: [{▸destination: {subset: v1}}]'), 'destination.host: is required'],
  ['bad subset', http('route: [{destination: {host: a, subset: ▸v_1}}]'), '"v_1" is not a name of letters, digits and "-"'],
  ['bad port', http('route: [{destination: {host: a, port: {number: ▸70000}}}]'), 'must be a whole number from 1 to 65535, got 70000'],
  ['port as text', http('route: [{destination: {host: a, port: {number: ▸"80"}}}]'), '(write it without quotes)'],
  ['bad header name', forward('headers: {request: {set: {"a b": ▸c}}}'), '"a b" is not a header name'],
  ['pseudo header', forward('headers: {request: {set: {":path": ▸c}}}'), 'of the pseudo headers only :authority may be set'],
  ['authority twice', forward('headers: {request: {set: {host: b, ":authority": ▸c}}}'), 'the authority is set twice'],
  ['response host', forward('headers: {response: {set: {host: ▸b}}}'), 'is a request header'],
  ['removing host', forward('headers: {request: {remove: [▸host]}}'), '"host" cannot be removed'],
  ['single percent', forward('headers: {request: {set: {a: ▸50%}}}'), 'a single "%" is not allowed'],
  ['unknown operator', forward('headers: {request: {set: {a: ▸"%FOO%"}}}'), '%FOO% is not an operator'],
  ['operator without argument', forward('headers: {response: {add: {a: ▸"%REQ%"}}}'), 'needs an argument'],
  ['blank in the host', forward('headers: {request: {set: {host: ▸"a b"}}}'), 'must not contain blanks'],
  ['redirect to two lines', http('redirect: {uri: ▸"/a\\r\\nb: c"}'), 'must not contain blanks, line breaks'],
  ['redirect to a host of two lines', http('redirect: {authority: ▸"a\\r\\nb: c"}'), 'must not contain blanks, line breaks'],
  ['rewrite to a blank', forward('rewrite: {uri: ▸"/a HTTP/1.1"}'), 'must not contain blanks, line breaks'],
  ['rewrite to a host of two lines', forward('rewrite: {authority: ▸"a\\nb: c"}'), 'must not contain blanks, line breaks'],
  ['substitution of two lines', forward('rewrite: {uriRegexRewrite: {match: /a, rewrite: ▸"/b\\r\\nc"}}'), 'must not contain blanks, line breaks'],
  ['regex not RE2', forward('match: [{uri: {regex: ▸"(?<=a)b"}}]'), 'is not an RE2 regular expression'],
  ['regex too long', forward(`match: [{uri: {regex: ▸${'a'.repeat(1025)}}}]`), 'must be at most 1024 characters, has 1025'],
  ['empty uri regex', forward('match: [{uri: {regex: ▸""}}]'), 'must not be empty'],
  ['empty header prefix', forward('match: [{headers: {a: {prefix: ▸""}}}]'), 'headers.a.prefix: must not be empty'],
  ['two kinds of match', forward('match: [{uri: {exact: /a, prefix: ▸/b}}]'), 'only one of exact, prefix, regex may be set'],
  ['match without kind', forward('match: [{▸method: {}}]'), 'needs one of exact, prefix, regex'],
  ['null match', forward('match: [▸null]'), 'must be a map, got nothing (null)'],
  ['boolean of YAML 1.1', forward('match: [{uri: {exact: /}, ignoreUriCase: ▸yes}]'), 'got the text "yes" (this is YAML 1.2: only true and false are booleans)'],
  ['quoted boolean', forward('match: [{uri: {exact: /}, ignoreUriCase: ▸"true"}]'), '(write it without quotes, in lower case)'],
  ['number where text is wanted', forward('match: [{headers: {a: {exact: ▸5}}}]'), 'must be text, got the number 5 (put it in quotes)'],
  ['claim in the mesh', forward('match: [{headers: {▸"@request.auth.claims.sub": {exact: a}}}]'), 'routing on JWT claims works at gateways only'],
  ['malformed claim', virtualService('hosts: [a]\ngateways: [g]\nhttp: [{match: [{headers: {▸"@request.auth.claims..x": {exact: a}}}], route: [{destination: {host: a}}]}]'), 'is not a claim'],
  ['empty fault', forward('▸fault: {}'), 'needs delay or abort'],
  ['abort status', forward('fault: {abort: {httpStatus: ▸600, percentage: {value: 1}}}'), 'from 200 to 599, got 600'],
  ['abort with two', forward('fault:\n  abort:\n    percentage: {value: 1}\n    httpStatus: 500\n    grpcStatus: ▸UNAVAILABLE'), 'only one of httpStatus, grpcStatus, http2Error'],
  ['unknown gRPC status', forward('fault: {abort: {grpcStatus: ▸UNAVAILBLE, percentage: {value: 1}}}'), 'did you mean "UNAVAILABLE"?'],
  ['HTTP/2 error', forward('fault: {abort: {http2Error: ▸x, percentage: {value: 1}}}'), 'is not supported; use httpStatus'],
  ['exponential delay', forward('fault: {delay: {exponentialDelay: ▸1s, percentage: {value: 1}}}'), 'is not supported; use fixedDelay'],
  ['delay without length', forward('fault:\n  ▸delay: {percentage: {value: 1}}'), 'needs fixedDelay'],
  ['finer than Envoy counts', forward('fault: {delay: {fixedDelay: 1s, percentage: {value: ▸0.00001}}}'), 'must be 0 or from 0.0001 to 100'],
  ['CORS method', forward('corsPolicy: {allowMethods: [▸GTE]}'), '"GTE" is not a method; did you mean "GET"?'],
  ['CORS origin without kind', forward('corsPolicy: {allowOrigins: [▸{}]}'), 'needs one of exact, prefix, regex'],
  ['CORS age', forward('corsPolicy: {maxAge: ▸1500ms}'), 'must be whole seconds'],
  ['unknown enum', forward('corsPolicy: {unmatchedPreflights: ▸FORWRAD}'), '"FORWRAD" is not known; did you mean "FORWARD"?'],
  ['TLS match without SNI', virtualService('hosts: [a.b]\ntls: [{match: [▸{port: 443}], route: [{destination: {host: a}}]}]'), 'sniHosts: is required'],
  ['TLS route without match', virtualService('hosts: [a.b]\ntls: [▸{route: [{destination: {host: a}}]}]'), 'match: is required'],
  ['SNI not covered', virtualService('hosts: [a.b]\ntls: [{match: [{sniHosts: [▸c.d]}], route: [{destination: {host: a}}]}]'), '"c.d" is not covered by hosts (a.b)'],
  ['TLS without route', virtualService('hosts: [a.b]\ntls:\n- ▸match: [{sniHosts: [a.b]}]'), 'needs route'],
  ['TCP without route', virtualService('hosts: [a]\ntcp:\n- ▸match: [{port: 80}]'), 'needs route'],
  ['bad subnet', virtualService('hosts: [a]\ntcp: [{match: [{destinationSubnets: [▸10.0.0.0/33]}], route: [{destination: {host: a}}]}]'), 'neither an IP address nor a CIDR block'],
  ['bad label', forward('match: [{sourceLabels: {app: ▸"a b"}}]'), '"a b" is not a label value'],
]);

table('DestinationRule', [
  ['no host', rule('subsets: [{name: a}]').replace('spec', '▸spec'), 'spec.host: is required'],
  ['empty policy', rule('host: a\n▸trafficPolicy: {}'), 'is empty'],
  ['empty port policy', policy('portLevelSettings:\n- ▸port: {number: 80}'), 'sets nothing for this port'],
  ['port missing', policy('portLevelSettings:\n- ▸tls: {mode: DISABLE}'), 'port: is required'],
  ['duplicate subset', rule('host: a\nsubsets: [{name: v1}, {name: ▸v1}]'), 'the subset "v1" is defined twice'],
  ['invalid subset', rule('host: a\nsubsets: [{name: ▸v.1}]'), '"v.1" is not a name'],
  ['selector exported', rule('host: a\nexportTo: [▸other]\nworkloadSelector: {matchLabels: {a: b}}'), 'with a workloadSelector only the own namespace'],
  ['empty connection pool', policy('▸connectionPool: {}'), 'is empty'],
  ['negative limit', policy('connectionPool: {tcp: {maxConnections: ▸-1}}'), 'must be a whole number from 0'],
  ['client protocol and upgrade', policy('connectionPool: {http: {h2UpgradePolicy: UPGRADE, useClientProtocol: ▸true}}'), 'cannot be combined with h2UpgradePolicy UPGRADE'],
  ['half a keepalive', policy('connectionPool: {http: {▸http2KeepAlive: {interval: 1s}}}'), 'http2KeepAlive.timeout: is required'],
  ['maglev without size', policy('loadBalancer:\n  consistentHash:\n    useSourceIp: true\n    ▸maglev: {}'), 'needs tableSize'],
  ['maglev not prime', policy('loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: ▸65536}}}'), 'must be a prime number'],
  ['maglev too big', policy('loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: ▸5000011}}}'), 'must be below 5000011'],
  ['ring size as text', policy('loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: ▸"1024"}}}'), '(write it without quotes)'],
  ['ring size with algorithm', policy('loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {}, minimumRingSize: ▸1024}}'), 'cannot be combined with ringHash or maglev'],
  ['two hash keys', policy('loadBalancer: {consistentHash: {httpHeaderName: x, useSourceIp: ▸true}}'), 'only one of httpHeaderName, httpCookie, useSourceIp'],
  ['two balancers', policy('loadBalancer: {simple: RANDOM, ▸consistentHash: {useSourceIp: true}}'), 'only one of simple, consistentHash, backendUtilization'],
  ['unknown balancer', policy('loadBalancer: {simple: ▸ROUND_ROBBIN}'), 'did you mean "ROUND_ROBIN"?'],
  ['cookie without name', policy('loadBalancer: {consistentHash: {▸httpCookie: {ttl: 0s}}}'), 'httpCookie.name: is required'],
  ['cookie attribute twice', policy('loadBalancer: {consistentHash: {httpCookie: {name: a, attributes: [{name: b}, {name: ▸b}]}}}'), 'the attribute "b" is listed twice'],
  ['locality weights', policy('loadBalancer: {localityLbSetting: {distribute: [{from: a/*, ▸to: {a/b: 50, a/c: 40}}]}}'), 'the weights must sum to 100, they sum to 90'],
  ['locality overlap', policy('loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {a/*: 50, a/c: ▸50}}]}}'), '"a/c" overlaps with "a/*"'],
  ['failover to itself', policy('outlierDetection: {}\nloadBalancer: {localityLbSetting: {failover: [{from: a, to: ▸a}]}}'), 'must differ from from'],
  ['failover zone', policy('outlierDetection: {}\nloadBalancer: {localityLbSetting: {failover: [{from: a, to: ▸b/c}]}}'), 'only a region may be given'],
  ['distribute and failover', policy('outlierDetection: {}\nloadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 100}}], ▸failover: [{from: a, to: b}]}}'), 'cannot be combined with distribute'],
  ['locality and zone aware', policy('loadBalancer: {localityLbSetting: {}, ▸zoneAwareLbSetting: {}}'), 'only one of localityLbSetting, zoneAwareLbSetting'],
  ['warm-up percent', policy('loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 1m, minimumPercent: ▸101}}'), 'from 0 to 100'],
  ['warm-up aggression', policy('loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 1m, aggression: ▸0}}'), 'must be greater than 0'],
  ['local origin without split', policy('outlierDetection: {consecutiveLocalOriginFailures: ▸3}'), 'needs splitExternalLocalOriginErrors'],
  ['ejection percent', policy('outlierDetection: {maxEjectionPercent: ▸101}'), 'from 0 to 100, got 101'],
  ['error code', policy('outlierDetection: {outlierDetectionHttpErrorCodes: [▸600]}'), 'from 100 to 599'],
  ['mutual without key', policy('▸tls: {mode: MUTUAL, clientCertificate: /a}'), 'mode MUTUAL needs privateKey'],
  ['credential with files', policy('tls: {mode: MUTUAL, credentialName: ▸c, clientCertificate: /a}'), 'cannot be combined with clientCertificate'],
  ['skip verify with CA', policy('tls: {mode: SIMPLE, caCertificates: /a, insecureSkipVerify: ▸true}'), 'cannot be combined with caCertificates'],
  ['skip verify with credential', policy('tls: {mode: SIMPLE, credentialName: a, insecureSkipVerify: ▸true}'), 'cannot be combined with credentialName in mode SIMPLE'],
  ['tunnel without port', policy('▸tunnel: {targetHost: a.b}'), 'tunnel.targetPort: is required'],
  ['tunnel protocol', policy('tunnel: {targetHost: a.b, targetPort: 80, protocol: ▸GET}'), '"GET" is not known'],
  ['tunnel with proxy protocol', policy('tunnel: {targetHost: a.b, targetPort: 80}\n▸proxyProtocol: {}'), 'cannot be combined with tunnel'],
  ['retry budget', policy('retryBudget: {percent: ▸101}'), 'from 0 to 100'],
]);

table('Gateway', [
  ['no servers', gateway('▸servers: []'), 'spec.servers: must not be empty'],
  ['no hosts', server('port: {number: 80, name: http, protocol: HTTP}\n▸hosts: []'), 'hosts: must not be empty'],
  ['no port', gateway('servers:\n- ▸hosts: [a.b]'), 'servers[0].port: is required'],
  ['no port name', server('▸port: {number: 80, protocol: HTTP}\nhosts: [a.b]'), 'needs name'],
  ['no port number', server('▸port: {name: a, protocol: HTTP}\nbind: unix:///a\nhosts: [a.b]'), 'port.number: is required'],
  ['port number 0', server('port: {number: ▸0, name: a, protocol: HTTP}\nhosts: [a.b]'), 'from 1 to 65535, got 0'],
  ['duplicate port name', gateway('servers:\n- {port: {number: 80, name: a, protocol: HTTP}, hosts: [a.b]}\n- {port: {number: 81, name: ▸a, protocol: HTTP}, hosts: [a.b]}'), 'the port name "a" is used twice'],
  ['unknown protocol', server('port: {number: 80, name: a, protocol: ▸HTPP}\nhosts: [a.b]'), '"HTPP" is not a protocol; did you mean "HTTP"?'],
  ['HTTPS without tls', gateway('servers:\n- ▸port: {number: 443, name: a, protocol: HTTPS}\n  hosts: [a.b]'), 'protocol HTTPS needs tls'],
  ['tls on HTTP', server('port: {number: 80, name: a, protocol: HTTP}\nhosts: [a.b]\ntls: {mode: ▸SIMPLE, credentialName: c}'), 'only httpsRedirect is allowed'],
  ['tls on TCP', server('port: {number: 80, name: a, protocol: TCP}\nhosts: [a.b]\n▸tls: {mode: SIMPLE, credentialName: c}'), 'protocol TCP has no TLS'],
  ['simple without certificate', server('port: {number: 443, name: a, protocol: HTTPS}\nhosts: [a.b]\n▸tls: {mode: SIMPLE}'), 'mode SIMPLE needs a certificate'],
  ['certificate without key', server('port: {number: 443, name: a, protocol: HTTPS}\nhosts: [a.b]\n▸tls: {mode: SIMPLE, serverCertificate: /a}'), 'needs privateKey'],
  ['mutual without CA', server('port: {number: 443, name: a, protocol: HTTPS}\nhosts: [a.b]\n▸tls: {mode: MUTUAL, serverCertificate: /a, privateKey: /b}'), 'needs caCertificates'],
  ['two sources', server('port: {number: 443, name: a, protocol: HTTPS}\nhosts: [a.b]\ntls: {mode: SIMPLE, serverCertificate: /a, privateKey: /b, credentialName: ▸c}'), 'only one source of certificates'],
  ['mesh certificate with files', server('port: {number: 443, name: a, protocol: HTTPS}\nhosts: [a.b]\ntls: {mode: ISTIO_MUTUAL, credentialName: ▸c}'), 'mode ISTIO_MUTUAL uses the workload certificate'],
  ['revocation list with simple', server('port: {number: 443, name: a, protocol: HTTPS}\nhosts: [a.b]\ntls: {mode: SIMPLE, serverCertificate: /a, privateKey: /b, caCrl: ▸/c}'), 'has no meaning in mode SIMPLE'],
  ['three certificates', server('port: {number: 443, name: a, protocol: HTTPS}\nhosts: [a.b]\ntls: {mode: SIMPLE, ▸tlsCertificates: [{serverCertificate: /a, privateKey: /b}, {serverCertificate: /a, privateKey: /b}, {serverCertificate: /a, privateKey: /b}]}'), 'must have at most 2 entries'],
  ['bad bind', server('port: {number: 80, name: a, protocol: HTTP}\nbind: ▸somewhere\nhosts: [a.b]'), '"somewhere" is not an IP address or unix:// socket'],
  ['dotted name', gateway('servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: [a.b]}]').replace('name: a}\n', 'name: ▸a.b}\n'), 'metadata.name: "a.b": the name of a Gateway must not have a dot'],
  ['short host', server('port: {number: 80, name: a, protocol: HTTP}\nhosts: [▸reviews]'), '"reviews" is a short name'],
  ['nobody\'s host', server('port: {number: 80, name: a, protocol: HTTP}\nhosts: [▸"~/a.b"]'), 'the namespace "~" is not allowed'],
  ['min above max', server('port: {number: 443, name: a, protocol: HTTPS}\nhosts: [a.b]\ntls: {mode: SIMPLE, credentialName: c, minProtocolVersion: ▸TLSV1_3, maxProtocolVersion: TLSV1_2}'), 'must not be above maxProtocolVersion'],
  ['certificate hash', server('port: {number: 443, name: a, protocol: HTTPS}\nhosts: [a.b]\ntls: {mode: MUTUAL, credentialName: c, verifyCertificateHash: [▸abc]}'), 'is not a SHA-256 hash'],
]);

table('ServiceEntry', [
  ['no hosts', entry('▸hosts: []'), 'spec.hosts: must not be empty'],
  ['star', entry('hosts: [▸"*"]'), 'for every host ("*") is not allowed'],
  ['selector and endpoints', entry('hosts: [a.b]\nresolution: STATIC\nendpoints: [{address: 1.2.3.4}]\n▸workloadSelector: {labels: {a: b}}'), 'cannot be combined with endpoints'],
  ['block with DNS', entry('hosts: [a.b]\nresolution: DNS\naddresses: [▸10.0.0.0/8]'), 'a CIDR block is only allowed with resolution NONE or STATIC'],
  ['duplicate port', entry('hosts: [a.b]\nports: [{number: 80, name: a}, {number: ▸80, name: b}]'), 'the port 80 is listed twice'],
  ['duplicate port name', entry('hosts: [a.b]\nports: [{number: 80, name: a}, {number: 81, name: ▸a}]'), 'the port name "a" is used twice'],
  ['unknown protocol', entry('hosts: [a.b]\nports: [{number: 80, name: a, protocol: ▸SMTP}]'), '"SMTP" is not a protocol'],
  ['endpoints with NONE', entry('hosts: [a.b]\n▸endpoints: [{address: 1.2.3.4}]'), 'are not allowed with resolution NONE'],
  ['name with STATIC', entry('hosts: [a.b]\nresolution: STATIC\nendpoints: [{address: ▸c.d}]'), 'resolution STATIC does not resolve names'],
  ['wildcard with DNS', entry('hosts: [▸"*.a.b"]\nresolution: DNS'), 'a wildcard cannot be resolved'],
  ['two with round robin', entry('hosts: [a.b]\nresolution: DNS_ROUND_ROBIN\nendpoints: [{address: c.d}, ▸{address: e.f}]'), 'only one endpoint'],
  ['undeclared port', entry('hosts: [a.b]\nresolution: STATIC\nports: [{number: 80, name: http}]\nendpoints: [{address: 1.2.3.4, ports: {htpp: ▸8080}}]'), '"htpp" is not one of this ServiceEntry\'s ports'],
  ['socket with ports', entry('hosts: [a.b]\nresolution: STATIC\nports: [{number: 80, name: http}]\nendpoints: [{address: unix:///a, ▸ports: {http: 1}}]'), 'a unix socket has no ports'],
  ['hosts that cannot be told apart', entry('hosts: [a.b, c.d]\nports: [▸{number: 80, name: a, protocol: TCP}]'), 'several hosts without addresses cannot be told apart'],
  ['dynamic with exact host', entry('hosts: [▸a.b]\nresolution: DYNAMIC_DNS'), 'is for wildcard hosts'],
]);

table('WorkloadEntry, WorkloadGroup', [
  ['no address', resource('WorkloadEntry')('labels: {a: b}').replace('spec', '▸spec'), 'needs an address (or a network)'],
  ['bad address', resource('WorkloadEntry')('address: ▸"a b"'), 'is neither an IP address, a host name nor a unix:// socket'],
  ['bad socket', resource('WorkloadEntry')('address: ▸unix://a'), 'is not a socket'],
  ['port 0', resource('WorkloadEntry')('address: 1.2.3.4\nports: {http: ▸0}'), 'from 1 to 65535, got 0'],
  ['no template', resource('WorkloadGroup')('metadata: {}').replace('spec', '▸spec'), 'spec.template: is required'],
  ['probe without method', resource('WorkloadGroup')('template: {}\n▸probe: {periodSeconds: 1}'), 'needs a method, one of httpGet, tcpSocket, exec, grpc'],
  ['probe without command', resource('WorkloadGroup')('template: {}\nprobe: {exec: {▸command: []}}'), 'command: must not be empty'],
]);

table('Sidecar', [
  ['empty', sidecar('workloadSelector: {labels: {a: b}}').replace('spec', '▸spec'), 'sets nothing'],
  ['ingress without port', sidecar('ingress:\n- ▸defaultEndpoint: 127.0.0.1:80'), 'ingress[0].port: is required'],
  ['ingress port twice', sidecar('ingress:\n- port: {number: 80}\n- port: {number: ▸80}'), 'the port 80 has two ingress listeners'],
  ['default endpoint', sidecar('ingress:\n- port: {number: 80}\n  defaultEndpoint: ▸10.0.0.1:80'), 'must be 127.0.0.1:port'],
  ['tls on HTTP', sidecar('ingress:\n- port: {number: 80, protocol: HTTP}\n  ▸tls: {mode: SIMPLE, serverCertificate: /a, privateKey: /b}'), 'needs a port with protocol HTTPS or TLS'],
  ['credential', sidecar('ingress:\n- port: {number: 80, protocol: HTTPS}\n  tls: {mode: SIMPLE, credentialName: ▸a}'), 'is not allowed in a Sidecar'],
  ['empty pool', sidecar('▸inboundConnectionPool: {}'), 'is empty'],
  ['egress without hosts', sidecar('egress:\n- ▸hosts: []'), 'hosts: must not be empty'],
  ['host without namespace', sidecar('egress:\n- hosts: [▸a.b]'), '"a.b" must have the form namespace/host'],
  ['catch-all not last', sidecar('egress:\n- ▸hosts: ["./*"]\n- hosts: ["./*"]\n  port: {number: 80}'), 'must be the last'],
  ['two catch-alls', sidecar('egress:\n- ▸hosts: ["./*"]\n- hosts: ["./*"]'), 'only one listener may have no port'],
  ['egress port twice', sidecar('egress:\n- hosts: ["./*"]\n  port: {number: 80}\n- hosts: ["./*"]\n  port: {number: ▸80}'), 'the port 80 has two egress listeners'],
  ['socket with port', sidecar('egress:\n- hosts: ["./*"]\n  bind: unix:///a\n  port: {number: ▸80}'), 'must be 0 with a unix socket'],
  ['dynamic DNS', sidecar('outboundTrafficPolicy: {mode: ▸ALLOW_ANY_DYNAMIC_DNS}'), '"ALLOW_ANY_DYNAMIC_DNS" is not known'],
  ['egress proxy', sidecar('outboundTrafficPolicy:\n  mode: REGISTRY_ONLY\n  ▸egressProxy: {host: a}'), 'is only allowed with mode ALLOW_ANY'],
]);

table('retries, timeouts, faults, mirrors', [
  ['attempts unset with more', forward('▸retries: {perTryTimeout: 1s}'), 'attempts is 0, which switches retries off, but perTryTimeout is set'],
  ['attempts 0 with a condition', forward('retries: {attempts: ▸0, retryOn: 5xx}'), 'but retryOn is set'],
  ['attempts 0 with other localities', forward('retries: {attempts: ▸0, retryRemoteLocalities: true}'), 'but retryRemoteLocalities is set'],
  ['attempts beyond 32 bits', forward('retries: {attempts: ▸2147483648}'), 'must be a whole number from 0 to 2147483647, got 2147483648'],
  ['fractional attempts', forward('retries: {attempts: ▸1.5}'), 'must be a whole number'],
  ['attempts as text', forward('retries: {attempts: ▸"3"}'), 'got the text "3" (write it without quotes)'],
  ['attempts missing a word', forward('retries: {▸attemps: 3}'), 'unknown field "attemps"; did you mean "attempts"?'],
  ['zero per-try timeout', forward('retries: {attempts: 1, perTryTimeout: ▸0s, retryOn: 5xx}'), 'must be at least 1ms'],
  ['per-try timeout finer than a millisecond', forward('retries: {attempts: 1, perTryTimeout: ▸1.5ms, retryOn: 5xx}'), 'must be whole milliseconds'],
  ['zero back-off', forward('retries: {attempts: 1, backoff: ▸0s}'), 'must be at least 1ms'],
  ['negative back-off', forward('retries: {attempts: 1, backoff: ▸-25ms}'), 'must be at least 1ms'],
  ['retryOn as a list', forward('retries: {attempts: 1, ▸retryOn: [5xx]}'), 'must be text, got a list'],
  ['retryOn as a number', forward('retries: {attempts: 1, retryOn: ▸503}'), 'must be text, got the number 503 (put it in quotes)'],
  ['retryOn with a comma too many', forward('retries: {attempts: 1, retryOn: ▸"5xx,"}'), '"" is not a retry condition'],
  ['retryOn below the status codes', forward('retries: {attempts: 1, retryOn: ▸"99"}'), '99 is not an HTTP status code'],
  ['remote localities', forward('retries: {attempts: 1, retryRemoteLocalities: ▸"true"}'), 'must be true or false'],
  ['timeout of all ages', forward('timeout: ▸400000000000s'), 'must be at most 315576000000s'],
  ['zero delay', forward('fault: {delay: {fixedDelay: ▸0s, percentage: {value: 1}}}'), 'must be at least 1ms'],
  ['delay of both kinds', forward('fault: {delay: {fixedDelay: 1s, exponentialDelay: ▸1s, percentage: {value: 1}}}'), 'is not supported; use fixedDelay'],
  ['delay percentage above 100', forward('fault: {delay: {fixedDelay: 1s, percentage: {value: ▸100.1}}}'), 'must be a number from 0 to 100, got 100.1'],
  ['delay percent above 100', forward('fault: {delay: {fixedDelay: 1s, percentage: {value: 1}, percent: ▸101}}'), 'must be a whole number from 0 to 100'],
  ['negative abort percentage', forward('fault: {abort: {httpStatus: 500, percentage: {value: ▸-1}}}'), 'must be a number from 0 to 100, got -1'],
  ['abort percentage that is no number', forward('fault: {abort: {httpStatus: 500, percentage: {value: ▸.nan}}}'), 'must be a number from 0 to 100, got the number NaN'],
  ['abort percentage as a number', forward('fault: {abort: {httpStatus: 500, percentage: ▸50}}'), 'must be a map, got the number 50'],
  ['abort status below 200', forward('fault: {abort: {httpStatus: ▸199, percentage: {value: 1}}}'), 'from 200 to 599, got 199'],
  ['abort with a gRPC number', forward('fault: {abort: {grpcStatus: ▸14, percentage: {value: 1}}}'), 'must be text, got the number 14'],
  ['gRPC status in lower case', forward('fault: {abort: {grpcStatus: ▸unavailable, percentage: {value: 1}}}'), '"unavailable" is not a gRPC status'],
  ['fault with directResponse', http('directResponse: {status: 200}\n▸fault: {delay: {fixedDelay: 1s, percentage: {value: 1}}}'), 'cannot be combined with directResponse'],
  ['negative mirror percentage', forward('mirror: {host: b}\nmirrorPercentage: {value: ▸-0.1}'), 'must be a number from 0 to 100, got -0.1'],
  ['mirror percent', forward('mirror: {host: b}\nmirrorPercent: ▸101'), 'must be a whole number from 0 to 100, got 101'],
  ['share of one of several mirrors', forward('mirrors: [{destination: {host: b}}, {destination: {host: c}, percentage: {value: ▸200}}]'), 'http[0].mirrors[1].percentage.value: must be a number from 0 to 100'],
  ['mirrors without destination', forward('mirrors: [▸{percentage: {value: 1}}]'), 'mirrors[0].destination: is required'],
  ['mirror to nowhere', forward('▸mirror: {subset: v1}'), 'mirror.host: is required'],
  ['mirror to everybody', forward('mirror: {host: ▸"*"}'), 'a destination cannot be "*"'],
  ['mirror to port 0', forward('mirror: {host: b, port: {number: ▸0}}'), 'must be a whole number from 1 to 65535, got 0'],
]);

/** The same blocks in each place that has them. */
const pools: readonly (readonly [place: string, wrap: (pool: string) => string])[] = [
  ['DestinationRule', (pool) => policy(`connectionPool: ${pool}`)],
  ['subset', (pool) => rule(`host: a\nsubsets: [{name: v1, trafficPolicy: {connectionPool: ${pool}}}]`)],
  ['port', (pool) => policy(`portLevelSettings: [{port: {number: 80}, connectionPool: ${pool}}]`)],
  ['port of a subset', (pool) => rule(`host: a\nsubsets: [{name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 80}, connectionPool: ${pool}}]}}]`)],
  ['Sidecar', (pool) => sidecar(`inboundConnectionPool: ${pool}`)],
  ['Sidecar ingress', (pool) => sidecar(`ingress: [{port: {number: 80}, defaultEndpoint: "127.0.0.1:80", connectionPool: ${pool}}]`)],
  ['mesh', (pool) => mesh(`defaultTrafficPolicy: {connectionPool: ${pool}}`)],
];

const brokenPools: readonly (readonly [name: string, pool: string, expected: string])[] = [
  ['negative connections', '{tcp: {maxConnections: ▸-1}}', 'tcp.maxConnections: must be a whole number from 0'],
  ['connections beyond 32 bits', '{tcp: {maxConnections: ▸4294967296}}', 'tcp.maxConnections: must be a whole number from 0 to 2147483647'],
  ['zero connect timeout', '{tcp: {connectTimeout: ▸0s}}', 'tcp.connectTimeout: must be at least 1ms'],
  ['connect timeout without unit', '{tcp: {connectTimeout: ▸30}}', 'must be a duration such as "500ms"'],
  ['zero keep-alive time', '{tcp: {tcpKeepalive: {time: ▸0s}}}', 'tcpKeepalive.time: must be at least 1ms'],
  ['zero keep-alive interval', '{tcp: {tcpKeepalive: {interval: ▸0s}}}', 'tcpKeepalive.interval: must be at least 1ms'],
  ['negative probes', '{tcp: {tcpKeepalive: {probes: ▸-1}}}', 'tcpKeepalive.probes: must be a whole number of at least 0'],
  ['zero connection duration', '{tcp: {maxConnectionDuration: ▸0s}}', 'maxConnectionDuration: must be at least 1ms'],
  ['negative TCP idle timeout', '{tcp: {idleTimeout: ▸-1s}}', 'tcp.idleTimeout: must not be negative'],
  ['fine TCP idle timeout', '{tcp: {idleTimeout: ▸1.5ms}}', 'tcp.idleTimeout: must be whole milliseconds'],
  ['zero HTTP idle timeout', '{http: {idleTimeout: ▸0s}}', 'http.idleTimeout: must be at least 1ms'],
  ['negative pending requests', '{http: {http1MaxPendingRequests: ▸-1}}', 'http1MaxPendingRequests: must be a whole number from 0'],
  ['negative requests', '{http: {http2MaxRequests: ▸-1}}', 'http2MaxRequests: must be a whole number from 0'],
  ['negative requests per connection', '{http: {maxRequestsPerConnection: ▸-1}}', 'maxRequestsPerConnection: must be a whole number from 0'],
  ['negative retries', '{http: {maxRetries: ▸-1}}', 'maxRetries: must be a whole number from 0'],
  ['negative streams', '{http: {maxConcurrentStreams: ▸-1}}', 'maxConcurrentStreams: must be a whole number from 0'],
  ['upgrade policy', '{http: {h2UpgradePolicy: ▸UPGRDE}}', 'did you mean "UPGRADE"?'],
  ['ping interval', '{http: {http2KeepAlive: {interval: ▸0s, timeout: 1s}}}', 'http2KeepAlive.interval: must be at least 1ms'],
  ['HTTP limit below tcp', '{tcp: {▸http1MaxPendingRequests: 1}}', 'unknown field "http1MaxPendingRequests"'],
];

table('connection pools, everywhere', pools.flatMap(([place, wrap]) => brokenPools.map(([name, pool, expected]): Broken => [`${name}, ${place}`, wrap(pool), expected])));

const detections: typeof pools = [
  ['DestinationRule', (detection) => policy(`outlierDetection: ${detection}`)],
  ['subset', (detection) => rule(`host: a\nsubsets: [{name: v1, trafficPolicy: {outlierDetection: ${detection}}}]`)],
  ['port', (detection) => policy(`portLevelSettings: [{port: {number: 80}, outlierDetection: ${detection}}]`)],
  ['mesh', (detection) => mesh(`defaultTrafficPolicy: {outlierDetection: ${detection}}`)],
];

const brokenDetections: typeof brokenPools = [
  ['negative errors', '{consecutive5xxErrors: ▸-1}', 'must be a whole number of at least 0'],
  ['errors beyond 32 bits', '{consecutive5xxErrors: ▸4294967296}', 'must be a whole number'],
  ['fractional gateway errors', '{consecutiveGatewayErrors: ▸2.5}', 'must be a whole number of at least 0'],
  ['local origin without split', '{consecutiveLocalOriginFailures: ▸3}', 'needs splitExternalLocalOriginErrors: true'],
  ['local origin against split', '{consecutiveLocalOriginFailures: ▸3, splitExternalLocalOriginErrors: false}', 'needs splitExternalLocalOriginErrors: true'],
  ['zero interval', '{interval: ▸0s}', 'must be at least 1ms'],
  ['zero ejection time', '{baseEjectionTime: ▸0s}', 'must be at least 1ms'],
  ['fine ejection time', '{baseEjectionTime: ▸100us}', 'must be at least 1ms'],
  ['ejection percent', '{maxEjectionPercent: ▸101}', 'from 0 to 100, got 101'],
  ['negative ejection percent', '{maxEjectionPercent: ▸-1}', 'from 0 to 100, got -1'],
  ['health percent', '{minHealthPercent: ▸100.5}', 'from 0 to 100, got 100.5'],
  ['error code', '{outlierDetectionHttpErrorCodes: [500, ▸99]}', 'outlierDetectionHttpErrorCodes[1]: must be a whole number from 100 to 599'],
];

table('outlier detection, everywhere', detections.flatMap(([place, wrap]) => brokenDetections.map(([name, detection, expected]): Broken => [`${name}, ${place}`, wrap(detection), expected])));

const localities: typeof pools = [
  ['DestinationRule', (setting) => policy(`outlierDetection: {}\nloadBalancer: {localityLbSetting: ${setting}}`)],
  ['mesh', (setting) => mesh(`localityLbSetting: ${setting}`)],
];

const brokenLocalities: typeof brokenPools = [
  ['weight 0', '{distribute: [{from: a, to: {b: 100, c: ▸0}}]}', 'must be a whole number from 1 to 100, got 0'],
  ['weight above 100', '{distribute: [{from: a, ▸to: {b: 60, c: 60}}]}', 'the weights must sum to 100, they sum to 120'],
  ['no weights', '{distribute: [{from: a, ▸to: {}}]}', 'the weights must sum to 100, they sum to 0'],
  ['from twice', '{distribute: [{from: a, to: {b: 100}}, {from: ▸a, to: {c: 100}}]}', '"a" overlaps with "a"'],
  ['zone after its region', '{distribute: [{from: a/*, to: {b: 100}}, {from: ▸a/b, to: {c: 100}}]}', '"a/b" overlaps with "a/*"'],
  ['anything after everything', '{distribute: [{from: "*", to: {b: 100}}, {from: ▸a, to: {c: 100}}]}', '"a" overlaps with "*"'],
  ['inner wildcard', '{distribute: [{from: ▸a/*/c, to: {b: 100}}]}', 'a wildcard is only allowed at the end'],
  ['empty zone', '{distribute: [{from: ▸a//c, to: {b: 100}}]}', 'is not region, region/zone or region/zone/subzone'],
  ['wildcard target inside', '{distribute: [{from: a, to: {"*b": ▸100}}]}', 'a wildcard is only allowed at the end'],
  ['failover to itself', '{failover: [{from: a, to: ▸a}]}', 'must differ from from'],
  ['failover from a zone', '{failover: [{from: ▸a/b, to: c}]}', 'only a region may be given'],
  ['failover wildcard', '{failover: [{from: a, to: ▸"b*"}]}', 'must not have a wildcard'],
  ['failover with distribute', '{distribute: [{from: a, to: {b: 100}}], ▸failover: [{from: a, to: b}]}', 'cannot be combined with distribute'],
  ['failover with topology labels', '{failover: [{from: a, to: b}], failoverPriority: [app, ▸topology.kubernetes.io/zone]}', 'cannot be combined with failover'],
  ['empty priority label', '{failoverPriority: [▸"=x"]}', 'a label key must not be empty'],
  ['enabled', '{enabled: ▸"false"}', 'must be true or false'],
];

table('locality, everywhere', localities.flatMap(([place, wrap]) => brokenLocalities.map(([name, setting, expected]): Broken => [`${name}, ${place}`, wrap(setting), expected])));

table('balancers and budgets', [
  ['hash of an empty header', policy('loadBalancer: {consistentHash: {httpHeaderName: ▸""}}'), 'a header name must not be empty'],
  ['hash of no header', policy('loadBalancer: {consistentHash: {httpHeaderName: ▸"a b"}}'), '"a b" is not a header name'],
  ['hash of an empty parameter', policy('loadBalancer: {consistentHash: {httpQueryParameterName: ▸""}}'), 'must not be empty'],
  ['cookie with an empty name', policy('loadBalancer: {consistentHash: {httpCookie: {name: ▸""}}}'), 'must not be empty'],
  ['cookie name of two lines', policy('loadBalancer: {consistentHash: {httpCookie: {name: ▸"a\\r\\nb"}}}'), 'must not contain line breaks'],
  ['cookie path of two lines', policy('loadBalancer: {consistentHash: {httpCookie: {name: a, path: ▸"/\\r\\nSet-Cookie: b"}}}'), 'must not contain line breaks'],
  ['cookie attribute of two lines', policy('loadBalancer: {consistentHash: {httpCookie: {name: a, attributes: [{name: b, value: ▸"c\\nd"}]}}}'), 'must not contain line breaks'],
  ['cookie lifetime', policy('loadBalancer: {consistentHash: {httpCookie: {name: a, ttl: ▸-1s}}}'), 'must not be negative'],
  ['cookie lifetime as a number', policy('loadBalancer: {consistentHash: {httpCookie: {name: a, ttl: ▸3600}}}'), 'must be a duration'],
  ['three hash keys', policy('loadBalancer: {consistentHash: {useSourceIp: true, ▸httpCookie: {name: a}, httpHeaderName: b}}'), 'only one of httpHeaderName, httpCookie, useSourceIp'],
  ['two algorithms', policy('loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {}, ▸maglev: {tableSize: 5}}}'), 'only one of ringHash, maglev'],
  ['ring larger than Envoy takes', policy('loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: ▸8388609}}}'), 'must be a whole number from 0 to 8388608'],
  ['negative ring', policy('loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: ▸-1}}}'), 'must be a whole number from 0'],
  ['table of 0', policy('loadBalancer: {consistentHash: {useSourceIp: true, ▸maglev: {tableSize: 0}}}'), 'needs tableSize'],
  ['table of 1', policy('loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: ▸1}}}'), 'must be a prime number, got 1'],
  ['table of a square', policy('loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: ▸4995225}}}'), 'must be a prime number'],
  ['balancer in lower case', policy('loadBalancer: {simple: ▸random}'), '"random" is not known'],
  ['warm-up without duration', policy('loadBalancer: {▸warmup: {minimumPercent: 5}}'), 'warmup.duration: is required'],
  ['zero warm-up', policy('loadBalancer: {warmup: {duration: ▸0s}}'), 'must be at least 1ms'],
  ['negative warm-up percent', policy('loadBalancer: {warmup: {duration: 1m, minimumPercent: ▸-1}}'), 'from 0 to 100'],
  ['negative aggression', policy('loadBalancer: {warmup: {duration: 1m, aggression: ▸-0.5}}'), 'must be a number of at least 0'],
  ['old zero warm-up', policy('loadBalancer: {warmupDurationSecs: ▸0s}'), 'must be at least 1ms'],
  ['zone aware of no endpoints', policy('loadBalancer: {zoneAwareLbSetting: {minClusterSize: ▸0}}'), 'must be a whole number of at least 1'],
  ['negative budget', policy('retryBudget: {percent: ▸-0.1}'), 'must be a number from 0 to 100'],
  ['negative concurrency', policy('retryBudget: {minRetryConcurrency: ▸-1}'), 'must be a whole number of at least 0'],
  ['negative budget interval', policy('retryBudget: {budgetInterval: ▸-1s}'), 'must not be negative'],
  ['budget of a port', policy('portLevelSettings: [{port: {number: 80}, outlierDetection: {}, ▸retryBudget: {percent: 1}}]'), 'unknown field "retryBudget"'],
  ['port 0', policy('portLevelSettings: [{port: {number: ▸0}, tls: {mode: DISABLE}}]'), 'must be a whole number from 1 to 65535'],
  ['port without number', policy('portLevelSettings: [{▸port: {}, tls: {mode: DISABLE}}]'), 'port.number: is required'],
  ['port by name', policy('portLevelSettings: [{port: {▸name: http, number: 80}, tls: {mode: DISABLE}}]'), 'unknown field "name"'],
  ['no port policy', policy('portLevelSettings: [▸null]'), 'must be a map, got nothing (null)'],
  ['empty ingress pool', sidecar('ingress: [{port: {number: 80}, ▸connectionPool: {}}]'), 'is empty; set tcp or http'],
]);

table('mesh defaults', [
  ['zero connect timeout', mesh('connectTimeout: ▸0s'), 'connectTimeout: must be at least 1ms'],
  ['connect timeout of two hours', mesh('connectTimeout: ▸2h'), 'must be at most 1h'],
  ['unknown retry condition', mesh('defaultHttpRetryPolicy: {attempts: 2, retryOn: ▸"5xxx"}'), 'did you mean "5xx"?'],
  ['attempts 0 with more', mesh('defaultHttpRetryPolicy: {attempts: ▸0, retryOn: 5xx}'), 'which switches retries off'],
  ['negative inbound attempts', mesh('defaultInboundHttpRetryPolicy: {attempts: ▸-1}'), 'must be a whole number from 0'],
  ['zero inbound back-off', mesh('defaultInboundHttpRetryPolicy: {attempts: 1, backoff: ▸0s}'), 'must be at least 1ms'],
  ['empty pool', mesh('defaultTrafficPolicy:\n  ▸connectionPool: {}'), 'is empty'],
  ['balancer of the mesh', mesh('defaultTrafficPolicy: {▸loadBalancer: {simple: RANDOM}}'), 'unknown field "loadBalancer"'],
  ['keep-alive time', mesh('tcpKeepalive: {time: ▸0s}'), 'must be at least 1ms'],
  ['detection timeout', mesh('protocolDetectionTimeout: ▸100us'), 'must be 0s (no limit) or at least 1ms'],
]);

table(
  'accepted as by Istio, with an effect that surprises',
  [
    ['attempts 0 with a back-off', forward('retries: {attempts: 0, backoff: ▸1s}'), 'has no effect: attempts is 0'],
    ['attempts 0 with previous hosts', forward('retries: {attempts: 0, retryIgnorePreviousHosts: ▸true}'), 'has no effect: attempts is 0'],
    ['nothing to retry', forward('retries: {attempts: 2, retryOn: ▸"599"}'), 'nothing is ever retried: 599 never holds here'],
    ['nothing to retry, either', forward('retries: {attempts: 2, retryOn: ▸"retriable-status-codes, retriable-headers"}'), 'nothing is ever retried: retriable-status-codes, retriable-headers never hold here'],
    ['status without a name', forward('retries: {attempts: 2, retryOn: ▸"5xx,599"}'), '599 is never retried'],
    ['try that is not retried', forward('retries: {attempts: 3, perTryTimeout: ▸2s}'), 'a try that takes longer is not retried but answered 504: the default retryOn has none of 5xx, gateway-error, reset'],
    ['try that is not retried as written', forward('retries: {attempts: 3, perTryTimeout: ▸2s, retryOn: "connect-failure,503"}'), 'answered 504: retryOn has none of'],
    ['try as long as the request', forward('timeout: 2s\nretries: {attempts: 3, perTryTimeout: ▸2s, retryOn: 5xx}'), 'has no effect: it is not shorter than timeout (2000ms)'],
    ['abort with nothing', forward('fault:\n  ▸abort: {percentage: {value: 1}}'), 'has neither httpStatus nor grpcStatus, so no request is aborted'],
    ['abort of an empty share', forward('fault: {abort: {httpStatus: 500, ▸percentage: {}}}'), 'has no value, so no request is aborted'],
    ['delay without a share', forward('fault:\n  ▸delay: {fixedDelay: 1s}'), 'so no request is delayed; for all requests write percentage: {value: 100}'],
    ['share of no mirror', forward('▸mirrorPercentage: {value: 50}'), 'has no effect without mirror'],
    ['share of one of several', forward('mirrors: [{destination: {host: b}}]\n▸mirrorPercentage: {value: 50}'), 'give percentage to each of mirrors'],
    ['timeout of a redirect', http('redirect: {uri: /x}\ntimeout: ▸1s'), 'has no effect beside redirect'],
    ['retries of a direct response', http('directResponse: {status: 200}\n▸retries: {attempts: 1}'), 'has no effect beside directResponse'],
    ['no limit', policy('connectionPool: {tcp: {maxConnections: ▸0}}'), '0 means unset, so nothing is limited'],
    ['no limit of pending requests', sidecar('inboundConnectionPool: {http: {http1MaxPendingRequests: ▸0}}'), '0 means unset, so nothing is limited'],
    ['no limit of the mesh', mesh('defaultTrafficPolicy: {connectionPool: {http: {maxRetries: ▸0}}}'), '0 means unset, so nothing is limited'],
    ['gateway errors behind the others', policy('outlierDetection: {consecutiveGatewayErrors: ▸5}'), 'has no effect: it is not below the default of consecutive5xxErrors (5)'],
    ['gateway errors behind those written', policy('outlierDetection: {consecutive5xxErrors: 3, consecutiveGatewayErrors: ▸4}'), 'it is not below consecutive5xxErrors (3)'],
    ['no rule left', policy('outlierDetection: {consecutive5xxErrors: ▸0}'), 'no endpoint is ever ejected'],
    ['never unhealthy enough', policy('outlierDetection: {minHealthPercent: ▸100}'), 'so ejection has no effect'],
    ['hash of nothing', policy('loadBalancer:\n  ▸consistentHash: {ringHash: {minimumRingSize: 2048}}'), 'names nothing to hash by, so each request goes to a random endpoint'],
    ['hash of no address', policy('loadBalancer: {consistentHash: {useSourceIp: ▸false}}'), 'names nothing to hash by'],
    ['warm-up at random', policy('loadBalancer: {simple: RANDOM, ▸warmup: {duration: 1m}}'), 'has no effect with RANDOM'],
    ['warm-up and hash', policy('loadBalancer: {consistentHash: {useSourceIp: true}, ▸warmup: {duration: 1m}}'), 'has no effect with consistentHash'],
    ['priorities without detection', policy('loadBalancer: {localityLbSetting: {▸failoverPriority: [app]}}'), 'has no effect without outlierDetection'],
    ['warm-up of a port', rule('host: a\nsubsets: [{name: v1, trafficPolicy: {outlierDetection: {}, portLevelSettings: [{port: {number: 80}, outlierDetection: {}}, {port: {number: 81}, outlierDetection: {}, loadBalancer: {simple: PASSTHROUGH, ▸warmup: {duration: 1m}}}]}}]'), 'has no effect with PASSTHROUGH'],
    ['failover of a subset', rule('host: a\nsubsets: [{name: v1, trafficPolicy: {loadBalancer: {localityLbSetting: {▸failover: [{from: a, to: b}]}}}}]'), 'has no effect without outlierDetection'],
    ['port that inherits nothing', policy('outlierDetection: {}\nloadBalancer: {simple: RANDOM}\nportLevelSettings:\n- ▸port: {number: 80}\n  connectionPool: {http: {http2MaxRequests: 1}}'), 'loadBalancer, outlierDetection of the policy above are not inherited by a port'],
    ['budget and ports', policy('retryBudget: {percent: 5}\nportLevelSettings:\n- ▸port: {number: 80}\n  tls: {mode: DISABLE}'), 'retryBudget of the policy above is not inherited by a port'],
    ['port twice', policy('portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}, {port: {number: ▸80}, outlierDetection: {}}]'), 'an earlier entry for the port 80 counts'],
    ['budget and maximum', policy('retryBudget: {}\nconnectionPool: {http: {maxRetries: ▸3}}'), 'has no effect beside retryBudget'],
    ['inbound per-try timeout', mesh('defaultInboundHttpRetryPolicy: {attempts: 1, retryOn: reset, perTryTimeout: ▸1s}'), 'for inbound requests only attempts, retryOn and backoff count'],
  ],
  'warning',
);

table(
  'warnings',
  [
    ['deprecated gateway form', virtualService('hosts: [a]\ngateways: [▸g.ns.svc.cluster.local]\nhttp: [{route: [{destination: {host: a}}]}]'), 'this form is deprecated'],
    ['mirror_percent', forward('mirror: {host: b}\n▸mirror_percent: 6'), 'is deprecated; use mirrorPercentage.value [IST0133]'],
    ['fault percent', forward('fault: {delay: {fixedDelay: 1s, ▸percent: 5}}'), 'is deprecated; use percentage.value [IST0002]'],
    ['fault without percentage', forward('fault:\n  ▸abort: {httpStatus: 500}'), 'so no request is aborted; for all requests write percentage: {value: 100}'],
    ['header named uri', forward('match: [{headers: {▸uri: {exact: a}}}]'), 'is ignored as a header'],
    ['after a catch-all', virtualService('hosts: [a]\nhttp:\n- route: [{destination: {host: a}}]\n- ▸match: [{uri: {prefix: /a}}]\n  route: [{destination: {host: a}}]'), 'is never reached: http[0] takes every request; move it up [IST0130]'],
    ['the same match', virtualService('hosts: [a]\nhttp:\n- match: [{uri: {prefix: /a}}]\n  route: [{destination: {host: a}}]\n- match: [{uri: {prefix: /b}}, ▸{uri: {prefix: /a}}]\n  route: [{destination: {host: b}}]'), 'has no effect: http[0].match[0] matches the same requests [IST0131]'],
    ['consecutiveErrors', policy('outlierDetection: {▸consecutiveErrors: 5}'), 'is deprecated and has no effect; use consecutive5xxErrors or consecutiveGatewayErrors [IST0133]'],
    ['old ring size', policy('loadBalancer: {consistentHash: {useSourceIp: true, ▸minimumRingSize: 5}}'), 'is deprecated; use ringHash.minimumRingSize [IST0133]'],
    ['failover without detection', policy('loadBalancer: {localityLbSetting: {▸failover: [{from: a, to: b}]}}'), 'has no effect without outlierDetection'],
    ['certificates passed through', server('port: {number: 443, name: a, protocol: TLS}\nhosts: [a.b]\ntls: {mode: PASSTHROUGH, credentialName: ▸c}'), 'has no effect in mode PASSTHROUGH'],
    ['unknown cipher', server('port: {number: 443, name: a, protocol: HTTPS}\nhosts: [a.b]\ntls: {mode: SIMPLE, credentialName: c, cipherSuites: [▸NULL-SHA]}'), 'is not a configurable cipher suite'],
    ['old TLS', server('port: {number: 443, name: a, protocol: HTTPS}\nhosts: [a.b]\ntls: {mode: SIMPLE, credentialName: c, minProtocolVersion: ▸TLSV1_0}'), 'has no cipher suite in the default list'],
    ['redirect on HTTPS', server('port: {number: 443, name: a, protocol: HTTPS}\nhosts: [a.b]\ntls: {mode: SIMPLE, credentialName: c, httpsRedirect: ▸true}'), 'this server is not plain HTTP'],
    ['egress proxy', sidecar('outboundTrafficPolicy:\n  mode: ALLOW_ANY\n  ▸egressProxy: {host: a}'), 'is deprecated [IST0002]'],
    ['EnvoyFilter', '▸apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a}\n', 'an EnvoyFilter patches Envoy and has no effect here'],
  ],
  'warning',
);
