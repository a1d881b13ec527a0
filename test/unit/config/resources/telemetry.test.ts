import t from 'tap';
import { celProblem } from '../../../../config/resources/telemetry/cel.ts';
import { loadFindings } from '../../../support/findings.ts';

t.test('CEL: what parses', async (t) => {
  for (const text of [
    'response.code >= 400',
    'request.headers["x-a"] == "b" && !(connection.mtls || false)',
    '"a" in ["a", "b",] ? 1 : 2.5e3',
    'has(request.time) && request.url_path.startsWith(r"/a\\b")',
    'size({"a": 1, "b": [2]}) > 0u',
    'a.b.C{x: 1}.y',
    '-(-1) + --2 % 3',
    '!!true // not not',
    "'it''s'".replace("''", "\\'"),
    '.x.y(1, 2)',
    'xds.cluster_name == "a" && response.code != 0x1F',
  ]) {
    t.equal(celProblem(text), undefined, text);
  }
});

t.test('CEL: what does not', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['', 'ends too early'],
    ['response.code >=', 'ends too early'],
    ['response.code >= 400)', 'unexpected ")"'],
    ['a b', 'unexpected "b"'],
    ['a = 1', 'unexpected "= 1"'],
    ['"open', 'unexpected "\\"open"'],
    ['f(1,)', 'unexpected ")"'],
    ['a.', 'ends too early'],
    ['if == 1', 'unexpected "if"'],
    ['a ? b', 'ends too early'],
    ['{1}', 'unexpected "}"'],
    ['['.repeat(1000), 'is nested too deeply'],
    ['('.repeat(200_000), 'is nested too deeply'],
  ];
  for (const [text, problem] of cases) t.equal(celProblem(text), problem, text.slice(0, 40));
});

function telemetry(spec: string): string {
  return `apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata:\n  name: t\nspec:\n${spec}`;
}

t.test('Telemetry', async (t) => {
  const cases: readonly (readonly [name: string, spec: string, problems: readonly string[]])[] = [
    ['valid', '  metrics:\n  - providers: [{name: prometheus}]\n    overrides:\n    - match: {metric: REQUEST_COUNT, mode: CLIENT}\n      tagOverrides: {a: {value: "x"}, b: {operation: REMOVE}}\n  accessLogging:\n  - filter: {expression: "response.code >= 400"}\n    providers: [{name: envoy}]\n', []],
    ['sampling', '  tracing:\n  - randomSamplingPercentage: 101\n', ['7:31: spec.tracing[0].randomSamplingPercentage: must be a number from 0 to 100, got 101 [IST0106]']],
    ['unparsable filter', '  accessLogging:\n  - filter: {expression: "response.code >="}\n', ['7:26: spec.accessLogging[0].filter.expression: is not a CEL expression: ends too early [IST0106]']],
    ['empty literal', '  tracing:\n  - customTags: {a: {literal: {value: ""}}}\n', ['7:39: spec.tracing[0].customTags.a.literal.value: must not be empty [IST0106]']],
    ['two tag sources', '  tracing:\n  - customTags: {a: {literal: {value: x}, header: {name: y}}}\n', ['7:43: spec.tracing[0].customTags.a.header: only one of literal, environment, header, formatter may be set, got literal and header [IST0106]']],
    ['no tag source', '  tracing:\n  - customTags: {a: {}}\n', ['7:18: spec.tracing[0].customTags.a: needs one of literal, environment, header, formatter [IST0106]']],
    ['UPSERT without value', '  metrics:\n  - overrides:\n    - tagOverrides: {a: {}}\n', ['8:25: spec.metrics[0].overrides[0].tagOverrides.a.value: is required for operation UPSERT [IST0106]'.replace('8:25', '8:22')]],
    ['REMOVE with value', '  metrics:\n  - overrides:\n    - tagOverrides: {a: {operation: REMOVE, value: x}}\n', ['8:52: spec.metrics[0].overrides[0].tagOverrides.a.value: is not allowed with operation REMOVE [IST0106]']],
    ['empty tag name', '  metrics:\n  - overrides:\n    - tagOverrides: {"": {value: x}}\n', ['8:22: spec.metrics[0].overrides[0].tagOverrides[""]: a tag name must not be empty [IST0106]']],
    ['empty provider', '  tracing:\n  - providers: [{name: ""}]\n', ['7:24: spec.tracing[0].providers[0].name: must not be empty [IST0106]']],
    ['unknown metric', '  metrics:\n  - overrides: [{match: {metric: REQUEST_COUNTS}}]\n', ['7:34: spec.metrics[0].overrides[0].match.metric: "REQUEST_COUNTS" is not known; did you mean "REQUEST_COUNT"? [IST0106]']],
    ['metric and customMetric', '  metrics:\n  - overrides: [{match: {metric: REQUEST_COUNT, customMetric: a}}]\n', ['7:63: spec.metrics[0].overrides[0].match.customMetric: only one of metric, customMetric may be set, got metric and customMetric [IST0106]']],
    ['more than one provider', '  tracing:\n  - providers: [{name: a}, {name: b}]\n', ['7:28: spec.tracing[0].providers[1]: warning: only the first tracing provider is used [IST0133]']],
  ];
  for (const [name, spec, problems] of cases) {
    t.strictSame(loadFindings(telemetry(spec)), problems.map((problem) => problem.replace(/^(\d+:\d+: )/, '$1Telemetry default/t: ')), name);
  }
});

t.test('ProxyConfig', async (t) => {
  const text = 'apiVersion: networking.istio.io/v1beta1\nkind: ProxyConfig\nmetadata:\n  name: p\nspec:\n  concurrency: -1\n';
  t.strictSame(loadFindings(text), ['6:16: ProxyConfig default/p: spec.concurrency: must be a whole number from 0 to 2147483647, got -1 [IST0106]']);
});
