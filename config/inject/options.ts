/** What the person who injects decides for every pod; annotations of a pod may say otherwise. */

export interface InjectOptions {
  /** Image of proxy and init container. */
  readonly image: string;
  /** Absent: Kubernetes' own default, which follows the tag. */
  readonly imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never';
  /** ConfigMap that holds the snapshot, in the pod's namespace. */
  readonly configMap: string;
  /**
   * Secret with `cert-chain.pem`, `key.pem` and `root-cert.pem`, in the pod's namespace; `{serviceAccount}` in it is the
   * pod's. `off`: the proxy has no identity.
   */
  readonly certsSecret: string;
  /** The proxy is an init container that goes on running, which Kubernetes starts before and stops after the application. */
  readonly nativeSidecar: boolean;
  /** The application starts once the proxy is ready. */
  readonly holdApplication: boolean;
  readonly trustDomain?: string;
  readonly clusterDomain?: string;
}
