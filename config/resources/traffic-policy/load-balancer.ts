/** `loadBalancer` of a DestinationRule. */

import type { Report, Schema } from '../schema.ts';
import { boolean, checked, decimal, integer, list, object, oneName, oneOf, present, text, uint32 } from '../schema.ts';
import { checkedText, duration, headerNameProblem } from '../values.ts';
import { localityLbSetting, zoneAwareLbSetting } from './locality.ts';
import type { BackendUtilization, ConsistentHash, HttpCookie, LoadBalancerSettings, Warmup } from './types.ts';

type CookieAttribute = NonNullable<HttpCookie['attributes']>[number];
type Maglev = NonNullable<ConsistentHash['maglev']>;
type RingHash = NonNullable<ConsistentHash['ringHash']>;

/** Istio's field takes 64 bits; Envoy refuses a cluster with a larger ring than this. */
const ringSize = integer(0, 8_388_608);
const notEmpty = checkedText((value) => (value === '' ? 'must not be empty' : undefined));

/** Written into a Set-Cookie line: what ends the line would start another header. */
const cookieText = checkedText(cookieTextProblem);
const cookieName = checkedText((value) => (value === '' ? 'must not be empty' : cookieTextProblem(value)));

const cookie: Schema<HttpCookie> = object<HttpCookie>(
  {
    name: cookieName,
    path: cookieText,
    ttl: duration(),
    attributes: list(object<CookieAttribute>({ name: cookieName, value: cookieText }, { required: ['name'] }), { check: checkAttributes }),
  },
  { required: ['name'] },
);

const maglev: Schema<Maglev> = object<Maglev>({ tableSize: integer(0, Number.MAX_SAFE_INTEGER) }, {
  check: ({ tableSize = 0 }, report) => {
    if (tableSize === 0) report.error([], 'needs tableSize, a prime number');
    else if (tableSize >= 5_000_011) report.error(['tableSize'], 'must be below 5000011');
    // Istio lets 1 pass as a prime; Envoy then divides by zero.
    else if (!isPrime(tableSize)) report.error(['tableSize'], `must be a prime number, got ${tableSize}`);
  },
});

const consistentHash: Schema<ConsistentHash> = object<ConsistentHash>(
  {
    httpHeaderName: checkedText(headerNameProblem),
    httpCookie: cookie,
    useSourceIp: boolean,
    httpQueryParameterName: notEmpty,
    ringHash: object<RingHash>({ minimumRingSize: ringSize }),
    maglev,
    minimumRingSize: ringSize,
  },
  { check: checkHash },
);

function checkHash(value: ConsistentHash, report: Report): void {
  oneOf(value, ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'], report);
  oneOf(value, ['ringHash', 'maglev'], report);
  if (present(value, ['httpHeaderName', 'httpCookie', 'httpQueryParameterName']).length === 0 && value.useSourceIp !== true) {
    report.warning(value.useSourceIp === undefined ? [] : ['useSourceIp'], 'names nothing to hash by, so each request goes to a random endpoint; set httpHeaderName, httpCookie, useSourceIp: true or httpQueryParameterName');
  }
  if (value.minimumRingSize === undefined) return;
  report.deprecated(['minimumRingSize'], 'is deprecated; use ringHash.minimumRingSize');
  if (value.minimumRingSize > 0 && (value.ringHash ?? value.maglev) !== undefined) {
    report.error(['minimumRingSize'], 'cannot be combined with ringHash or maglev');
  }
}

const warmup: Schema<Warmup> = object<Warmup>(
  { duration: duration({ minMs: 1 }), minimumPercent: decimal(0, 100), aggression: decimal(0, Infinity) },
  {
    required: ['duration'],
    check: (value, report) => {
      if (value.aggression === 0) report.error(['aggression'], 'must be greater than 0');
    },
  },
);

const backendUtilization: Schema<BackendUtilization> = object<BackendUtilization>({
  errorUtilizationPenaltyPercent: uint32,
  metricNamesForComputingUtilization: list(text),
  weightExpirationPeriod: duration(),
  weightStabilizationPeriod: duration(),
  weightUpdatePeriod: duration(),
});

export const loadBalancer: Schema<LoadBalancerSettings> = checked(
  object<LoadBalancerSettings>({
    simple: oneName(['UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST']),
    consistentHash,
    backendUtilization,
    localityLbSetting,
    zoneAwareLbSetting,
    warmup,
    warmupDurationSecs: duration({ minMs: 1 }),
  }),
  (value, report) => {
    oneOf(value, ['simple', 'consistentHash', 'backendUtilization'], report);
    oneOf(value, ['localityLbSetting', 'zoneAwareLbSetting'], report);
    if (value.warmupDurationSecs !== undefined) report.deprecated(['warmupDurationSecs'], 'is deprecated; use warmup.duration');
    if (value.simple === 'LEAST_CONN') report.warning(['simple'], 'LEAST_CONN is deprecated; use LEAST_REQUEST');
    checkWarmup(value, report);
  },
);

/** Envoy has slow start for the balancers that look at weights. */
function checkWarmup({ simple = 'UNSPECIFIED', consistentHash: hash, warmup: window, warmupDurationSecs }: LoadBalancerSettings, report: Report): void {
  if (window !== undefined && warmupDurationSecs !== undefined) report.warning(['warmupDurationSecs'], 'has no effect beside warmup');
  const policy = hash === undefined ? simple : 'consistentHash';
  if (policy !== 'RANDOM' && policy !== 'PASSTHROUGH' && policy !== 'consistentHash') return;
  for (const field of present({ warmup: window, warmupDurationSecs }, ['warmup', 'warmupDurationSecs'])) {
    report.warning([field], `has no effect with ${policy}: only ROUND_ROBIN and LEAST_REQUEST warm endpoints up`);
  }
}

function cookieTextProblem(value: string): string | undefined {
  return /[\0-\x1f\x7f]/.test(value) ? 'must not contain line breaks or other control characters' : undefined;
}

function checkAttributes(attributes: readonly CookieAttribute[], report: Report): void {
  const seen = new Set<string>();
  for (const [index, { name }] of attributes.entries()) {
    if (seen.has(name)) report.error([index, 'name'], `the attribute ${JSON.stringify(name)} is listed twice`);
    seen.add(name);
  }
}

function isPrime(value: number): boolean {
  if (value < 2) return false;
  for (let divisor = 2; divisor * divisor <= value; divisor++) {
    if (value % divisor === 0) return false;
  }
  return true;
}
