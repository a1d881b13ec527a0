/** The words of the bench: what a peer, a scenario and a sample are. */

import type { Timing } from './config.ts';

/** What a scenario asks of a peer when it starts it. */
export interface PeerPlan {
  /** Port the peer must listen on, loopback. */
  readonly listenPort: number;
  /** Port of the upstream, loopback. */
  readonly upstreamPort: number;
  /** File for the access log; absent: the log is off. */
  readonly accessLog?: string;
  /** An empty folder of its own for configuration files. */
  readonly folder: string;
}

/** A started peer. */
export interface RunningPeer {
  /** Port to send the load to. */
  readonly port: number;
  /** Root of its process tree; absent for `direct`. */
  readonly pid?: number;
  readonly stop: () => Promise<void>;
}

/** A proxy that the bench can put between the load and the upstream. */
export interface Peer {
  /** As given to `--peers`. */
  readonly name: string;
  /** Can write an access log to a file. */
  readonly accessLog: boolean;
  /** Why it cannot run on this machine; undefined when it can. */
  missing(): string | undefined;
  /** Version for the report. */
  version(): string;
  start(plan: PeerPlan): Promise<RunningPeer>;
}

/** One figure of one round. */
export interface Sample {
  readonly peer: string;
  readonly metric: Metric;
  readonly value: number;
}

/** Figures, each with its unit in the name. */
export type Metric =
  | 'cpuUsPerRequest'
  | 'requestsPerSecond'
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
  /** Which peers make sense here, of those the run may use. */
  readonly admits: (peer: Peer) => boolean;
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
