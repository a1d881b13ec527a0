/** WorkloadEntry: one endpoint outside Kubernetes (also the shape of ServiceEntry `endpoints[]`). */

export interface WorkloadEntrySpec {
  /** IP, DNS name, `unix:///path` or `unix://@name`; may be absent where `network` is set. */
  readonly address?: string;
  /** Service port name → endpoint port. */
  readonly ports?: Readonly<Record<string, number>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly network?: string;
  /** `region/zone/subzone`. */
  readonly locality?: string;
  /** Default 1. */
  readonly weight?: number;
  readonly serviceAccount?: string;
}
