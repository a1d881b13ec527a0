/** The flags of `outrider inject`, apart from it so that help need not load an injector. */

import type { FlagSpec } from '../flags.ts';

export interface InjectFlag extends FlagSpec {
  readonly help: string;
  readonly default?: string;
}

export const DEFAULT_CONFIG_MAP = 'outrider';
/** As Istio names the secrets that it mounts for workloads. */
export const DEFAULT_CERTS_SECRET = 'istio.{serviceAccount}';

/** Every flag of `inject`, in the order that help prints them. */
export const INJECT_FLAGS: readonly InjectFlag[] = [
  { name: 'filename', short: 'f', value: 'FILE', help: 'manifests: a YAML or JSON file or a folder of them, repeatable, - for standard input' },
  { name: 'output', short: 'o', value: 'FILE', help: 'where the result goes', default: 'standard output' },
  { name: 'image', value: 'IMAGE', help: 'image of proxy and init container', default: 'outrider:VERSION' },
  { name: 'image-pull-policy', value: 'POLICY', help: 'Always, IfNotPresent or Never', default: "Kubernetes' own" },
  { name: 'config-map', value: 'NAME', help: "ConfigMap with the snapshot, in the pod's namespace", default: DEFAULT_CONFIG_MAP },
  { name: 'certs-secret', value: 'NAME|off', help: "Secret with cert-chain.pem, key.pem and root-cert.pem; {serviceAccount} is the pod's", default: DEFAULT_CERTS_SECRET },
  { name: 'native-sidecar', help: 'the proxy as an init container with restartPolicy Always (Kubernetes 1.29 and later)' },
  { name: 'hold-application', help: 'the application starts once the proxy is ready' },
  { name: 'trust-domain', value: 'DOMAIN', help: 'given to the proxy' },
  { name: 'cluster-domain', value: 'DOMAIN', help: 'given to the proxy' },
];
