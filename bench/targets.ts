/** The performance targets this bench can judge, each as a ratio or a limit over the figures of one run. */

import { summarise } from './statistics.ts';
import { policyNames, type Metric, type PolicyName, type Sample } from './types.ts';

export interface Target {
  readonly text: string;
  readonly scenario: string;
  readonly metric: Metric;
  /** Whose figure is judged. */
  readonly peer: string;
  /** Compared with this peer's median, times `limit`; absent: `limit` is the figure itself. */
  readonly against?: string;
  readonly limit: number;
  /** The figure is one that should be high: `limit` is the least that will do. */
  readonly atLeast?: true;
}

export interface Verdict {
  readonly target: Target;
  /** The ratio, or the figure where there is no peer to compare with; undefined when not measured. */
  readonly measured?: number;
  readonly met?: boolean;
}

const policyTexts: Readonly<Record<PolicyName, string>> = {
  plain: 'a plain route to three hosts',
  'retries-idle': 'retries, per-try and route timeout configured, idle',
  breakers: 'every pool limit and a retry budget configured, idle',
  outlier: 'outlier detection configured, nothing ejected',
  mirror: 'every request mirrored',
  'consistent-hash': 'hosts by consistent hash of a header',
  'all-policies': 'header match, retries, timeouts, limits, budget, outlier detection, idle',
};

export const targets: readonly Target[] = [
  cpu('HTTP/1 → HTTP/1, CPU per request', 'http1-get', 'nginx', 1.5),
  cpu('HTTP/1 → HTTP/1, CPU per request', 'http1-get', 'envoy', 0.45),
  cpu("the same beside Envoy with a sidecar's stock filters", 'http1-get', 'envoy-sidecar', 0.45),
  cpu('with the access log on both', 'http1-log', 'envoy', 0.5),
  cpu("the same beside Envoy with a sidecar's stock filters", 'http1-log', 'envoy-sidecar', 0.5),
  policyCost('all-policies', 'outrider-plain', 1.1),
  ...policyNames.map((policy) => policyCost(policy, `envoy-${policy}`, 0.5)),
  policyCost('all-policies', 'envoy-sidecar-all-policies', 0.5, `${policyTexts['all-policies']}: beside Envoy with a sidecar's stock filters`),
  cpu('100 KB answers, CPU per byte', 'http1-large', 'nginx', 1.5),
  cpu('1 MB uploads, CPU per byte', 'http1-upload', 'nginx', 1.5),
  cpu('new connection per request', 'http1-close', 'nginx', 2),
  cpu('new connection per request', 'http1-close', 'envoy', 0.7),
  cpu('TLS 1.3 down, HTTP/1 up', 'https-get', 'nginx', 1.6),
  cpu('TLS 1.3 down, HTTP/1 up', 'https-get', 'envoy', 0.65),
  cpu('new TLS connection per request, full handshake', 'https-close', 'nginx', 2),
  cpu('new TLS connection per request, full handshake', 'https-close', 'envoy', 0.7),
  cpu('new TLS connection per request, resumed', 'https-resume', 'nginx', 2),
  cpu('new TLS connection per request, resumed', 'https-resume', 'envoy', 0.7),
  cpu('mutual TLS hop, two proxies', 'mtls-hop', 'envoy', 0.65),
  cpu("the same beside Envoys with a sidecar's stock filters", 'mtls-hop', 'envoy-sidecar', 0.65),
  bulk('haproxy'),
  bulk('envoy'),
  { text: 'p50 at 1000 requests/s', scenario: 'latency', metric: 'p50Us', peer: 'outrider', against: 'envoy', limit: 1 },
  { text: 'p99 at 1000 requests/s', scenario: 'latency', metric: 'p99Us', peer: 'outrider', against: 'envoy', limit: 1 },
  { text: 'memory at 1000 requests/s', scenario: 'latency', metric: 'loadRssMb', peer: 'outrider', against: 'envoy', limit: 1 },
  { text: 'start to first answer with the bookinfo snapshot, ms', scenario: 'start-up', metric: 'firstAnswerMs', peer: 'outrider', limit: 300 },
  {
    text: '10,000 services, CPU per request beside the bookinfo snapshot',
    scenario: 'services-10k',
    metric: 'cpuUsPerRequest',
    peer: 'outrider-10k',
    against: 'outrider',
    limit: 1.1,
  },
  { text: 'one-document change among 10,000 services, ms to effect', scenario: 'reload-10k', metric: 'reloadMs', peer: 'outrider-10k', limit: 1000 },
  { text: 'longest stall during that change, ms', scenario: 'reload-10k', metric: 'stallMs', peer: 'outrider-10k', limit: 10 },
];

/** Judges one target by the medians of its scenario's samples. */
export function judge(target: Target, samples: readonly Sample[]): Verdict {
  const own = summarise(samples, target.peer, target.metric)?.median;
  const base = target.against === undefined ? 1 : summarise(samples, target.against, target.metric)?.median;
  if (own === undefined || base === undefined) return { target };
  const measured = own / base;
  return { target, measured, met: target.atLeast === true ? measured >= target.limit : measured <= target.limit };
}

function cpu(text: string, scenario: string, against: string, limit: number): Target {
  return { text, scenario, metric: 'cpuUsPerRequest', peer: 'outrider', against, limit };
}

function bulk(against: string): Target {
  return { text: 'TCP pass-through, MB per CPU second', scenario: 'tcp-pass', metric: 'mbPerCpuSecond', peer: 'outrider', against, limit: 0.7, atLeast: true };
}

function policyCost(policy: PolicyName, against: string, limit: number, text: string = policyTexts[policy]): Target {
  return { text, scenario: 'policies', metric: 'cpuUsPerRequest', peer: `outrider-${policy}`, against, limit };
}
