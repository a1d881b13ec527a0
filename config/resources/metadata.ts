/** The part of a resource that every kind shares. */

/** Kubernetes object metadata, as far as a data plane reads it. Everything else `kubectl get` prints there is dropped. */
export interface Metadata {
  readonly name: string;
  /** `default` where the file does not say; empty for a cluster-scoped kind (Namespace). */
  readonly namespace: string;
  /** Without prototype: any label key is safe to look up. */
  readonly labels: Readonly<Record<string, string>>;
  /** Without prototype. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch; absent in most files (then order falls back to name, namespace: istio-api.md 1.6). */
  readonly creationTimestamp?: number;
}
