/** A strict reader of Prometheus's text format 0.0.4: whatever a scraper might refuse is refused here. */

export interface PrometheusSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface PrometheusFamily {
  readonly name: string;
  readonly type: string;
  readonly samples: readonly PrometheusSample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"/;
const VALUE = /^(?:[+-]?Inf|NaN|[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = { histogram: ['_bucket', '_sum', '_count'], summary: ['', '_sum', '_count'] };

/** The families in order. @throws with the line that breaks a rule of the format. */
export function parsePrometheus(text: string): ReadonlyMap<string, PrometheusFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line has no line feed');
  const families = new Map<string, { name: string; type: string; samples: PrometheusSample[] }>();
  const seen = new Set<string>();
  let current: { name: string; type: string; samples: PrometheusSample[] } | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '' || line.startsWith('# HELP ')) continue;
    if (line.startsWith('#')) {
      const [, name, type] = /^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$/.exec(line) ?? [];
      if (name === undefined || type === undefined) throw new Error(`not a TYPE line: ${line}`);
      if (families.has(name)) throw new Error(`the family ${name} comes twice`);
      current = { name, type, samples: [] };
      families.set(name, current);
      continue;
    }
    const sample = parseSample(line);
    if (current === undefined || !(SUFFIXES[current.type] ?? ['']).some((suffix) => sample.name === `${current?.name}${suffix}`)) {
      throw new Error(`outside its family: ${line}`);
    }
    const identity = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
    if (seen.has(identity)) throw new Error(`twice: ${line}`);
    seen.add(identity);
    if (current.type === 'counter' && !(sample.value >= 0)) throw new Error(`a counter below zero: ${line}`);
    current.samples.push(sample);
  }
  for (const family of families.values()) if (family.type === 'histogram') checkHistogram(family);
  return families;
}

function parseSample(line: string): PrometheusSample {
  const name = NAME.exec(line)?.[0] ?? '';
  if (name === '') throw new Error(`no metric name: ${line}`);
  let rest = line.slice(name.length);
  const labels: Record<string, string> = {};
  if (rest.startsWith('{')) {
    rest = rest.slice(1);
    while (!rest.startsWith('}')) {
      const [text = '', label = '', value = ''] = LABEL.exec(rest) ?? [];
      if (text === '') throw new Error(`not a label at ${rest.slice(0, 40)}: ${line}`);
      if (Object.hasOwn(labels, label)) throw new Error(`the label ${label} comes twice: ${line}`);
      labels[label] = value.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
      rest = rest.slice(text.length);
      if (rest.startsWith(',')) rest = rest.slice(1);
      else if (!rest.startsWith('}')) throw new Error(`neither comma nor brace: ${line}`);
    }
    rest = rest.slice(1);
  }
  if (!rest.startsWith(' ') || !VALUE.test(rest.slice(1))) throw new Error(`not a value: ${line}`);
  return { name, labels, value: Number(rest.slice(1).replace('Inf', 'Infinity')) };
}

/** Buckets never fall, end at +Inf, and +Inf is the count. */
function checkHistogram(family: PrometheusFamily): void {
  const series = new Map<string, PrometheusSample[]>();
  for (const sample of family.samples) {
    const { le, ...others } = sample.labels;
    if ((le === undefined) === sample.name.endsWith('_bucket')) throw new Error(`le belongs to buckets: ${sample.name}`);
    const key = JSON.stringify(others);
    const members = series.get(key) ?? [];
    series.set(key, [...members, sample]);
  }
  for (const [key, samples] of series) {
    const buckets = samples.filter(({ name }) => name.endsWith('_bucket'));
    const bounds = buckets.map(({ labels }) => Number((labels['le'] ?? '').replace('Inf', 'Infinity')));
    const count = samples.find(({ name }) => name.endsWith('_count'))?.value;
    const sum = samples.find(({ name }) => name.endsWith('_sum'));
    if (sum === undefined || count === undefined) throw new Error(`no sum or count: ${family.name}${key}`);
    if (bounds.some((bound, i) => i > 0 && !(bound > (bounds[i - 1] as number)))) throw new Error(`bounds do not rise: ${family.name}${key}`);
    if (buckets.some(({ value }, i) => i > 0 && value < (buckets[i - 1] as PrometheusSample).value)) throw new Error(`buckets fall: ${family.name}${key}`);
    if (bounds.at(-1) !== Infinity || buckets.at(-1)?.value !== count) throw new Error(`+Inf is not the count: ${family.name}${key}`);
  }
}
