/** The words of the bench: what a peer, a scenario and a sample are. */

import type { Certificates } from './certificates.ts';
import type { Timing } from './config.ts';

/**
 * What a peer takes from the load, and how it passes it on. `http`: HTTP/1 on both sides. `https`: TLS from the load, plain
 * HTTP/1 to the upstream, as a gateway. `mtls-hop`: two proxies in a row, as two sidecars: plain HTTP/1 to the first, mutual
 * TLS between them, plain HTTP/1 to the upstream. `tcp`: bytes.
 */
export type Work = 'http' | 'https' | 'mtls-hop' | 'tcp';

/** What a scenario asks of a peer when it starts it. */
export interface PeerPlan {
  readonly work: Work;
  /** Port the peer must listen on, loopback. */
  readonly listenPort: number;
  /** Port of the upstream, loopback. */
  readonly upstreamPort: number;
  /** Every port of it, the one above first: the hosts of a service that has several. */
  readonly upstreamPorts: readonly number[];
  /** File for the access log; absent: the log is off. */
  readonly accessLog?: string;
  /** Present where the work has TLS in it. */
  readonly certificates?: Certificates;
  /** An empty folder of its own for configuration files. */
  readonly folder: string;
}

/** A started peer. */
export interface RunningPeer {
  /** Port to send the load to. */
  readonly port: number;
  /** Roots of its process trees; none for `direct`. */
  readonly pids: readonly number[];
  readonly stop: () => Promise<void>;
}

/** A proxy that the bench can put between the load and the upstream. */
export interface Peer {
  /** As given to `--peers`. */
  readonly name: string;
  readonly works: readonly Work[];
  /** Can write an access log to a file. */
  readonly accessLog: boolean;
  /** Set on a peer that only the `policies` scenario is about: one of ours or Envoy's with this much configured. */
  readonly policy?: PolicyName;
  /** Why it cannot do one of its works on this machine; undefined when it can. */
  missing(work: Work): string | undefined;
  /** Version for the report. */
  version(): string;
  start(plan: PeerPlan): Promise<RunningPeer>;
}

/**
 * What a peer of the `policies` scenario has configured; every request passes by it and none sets it off, but for mirrors
 * and hashing. The two that a target compares come one after the other, so that a slow minute hits both.
 */
export const policyNames = ['plain', 'all-policies', 'retries-idle', 'breakers', 'outlier', 'mirror', 'consistent-hash'] as const;

export type PolicyName = (typeof policyNames)[number];

/** One figure of one round. */
export interface Sample {
  readonly peer: string;
  readonly metric: Metric;
  readonly value: number;
}

/** Figures, each with its unit in the name; MB are 1,000,000 bytes. */
export type Metric =
  | 'cpuUsPerRequest'
  | 'requestsPerSecond'
  | 'mbPerCpuSecond'
  | 'mbPerSecond'
  | 'p50Us'
  | 'p99Us'
  | 'p999Us'
  | 'idleRssMb'
  | 'loadRssMb'
  | 'firstAnswerMs'
  | 'reloadMs'
  | 'stallMs'
  | 'quietStallMs';

/** One row group of the report. */
export interface Scenario {
  /** As given to `--scenario`. */
  readonly name: string;
  /** Heading in the report. */
  readonly title: string;
  /** What its peers are started for; `http` where absent. */
  readonly work?: Work;
  /** Which peers make sense here, of those the run may use. */
  readonly admits: (peer: Peer) => boolean;
  /** Peers whose CPU per request, or MB per CPU second, the others' is divided by in the table; nginx and both Envoys where absent. */
  readonly bases?: readonly string[];
  run(context: ScenarioContext): Promise<readonly Sample[]>;
}

export interface ScenarioContext {
  readonly peers: readonly Peer[];
  readonly timing: Timing;
  /** A new empty folder under the run's scratch folder. */
  folder(name: string): string;
  /** One line of progress or of trouble for the person who waits. */
  note(line: string): void;
}
