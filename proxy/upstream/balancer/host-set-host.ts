/** What a host set and its balancers read of a host. */

import type { EndpointConfig } from '../../../config/runtime/endpoint.ts';
import type { BalancerHost } from './balancer.ts';

export interface HostSetHost extends BalancerHost {
  /** `10.0.0.1:9080`, `[::1]:9080`: what consistent hashing places it by. */
  readonly address: string;
  /**
   * When it joined the cluster, in monotonic milliseconds: warm-up begins there. Not moved by a return from ejection:
   * Envoy warms up again only after a failed active health check.
   */
  readonly warmSinceMs: number;
  /** Stays for the host set's life; a changed endpoint gets a new host set. */
  readonly endpoint: Pick<EndpointConfig, 'locality' | 'priority' | 'localityWeight'>;
}
