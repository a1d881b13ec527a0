/** Who is in the demo's mesh and on which ports; the YAML of config/examples/bookinfo names the same ones. */

import type { AppHandler, MeshCall } from './apps/app.ts';
import { details, ratings, reviews } from './apps/leaf-services.ts';
import { productPage } from './apps/product-page.ts';

export interface DemoWorkload {
  /** Pod name, in namespace default. */
  readonly name: string;
  /** Bound by its proxy (Sidecar ingress), listed in its EndpointSlice. */
  readonly inboundPort: number;
  /** Bound by the application, the Sidecar's defaultEndpoint. */
  readonly appPort: number;
  readonly app: (podname: string, call: MeshCall) => AppHandler;
}

export const WORKLOADS: readonly DemoWorkload[] = [
  { name: 'productpage-v1', inboundPort: 19081, appPort: 19181, app: productPage },
  { name: 'details-v1', inboundPort: 19082, appPort: 19182, app: details },
  { name: 'ratings-v1', inboundPort: 19083, appPort: 19183, app: ratings },
  { name: 'reviews-v1', inboundPort: 19084, appPort: 19184, app: (podname, call) => reviews(podname, call) },
  { name: 'reviews-v2', inboundPort: 19085, appPort: 19185, app: (podname, call) => reviews(podname, call, 'black') },
  { name: 'reviews-v3', inboundPort: 19086, appPort: 19186, app: (podname, call) => reviews(podname, call, 'red') },
];

/** Declared by the Gateway. */
export const GATEWAY_PORT = 8080;
/** Admin of the gateway; the workloads' follow, and their outbound ports start at the second number. */
export const ADMIN_PORT = 19280;
export const OUTBOUND_PORT = 19381;
