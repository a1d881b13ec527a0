/** Listeners of a sidecar: the two capture listeners, and those a Sidecar binds by itself. */

import type { HttpListenerConfig, ListenerConfig, RoutingConfig } from '../runtime/listener.ts';
import type { Origin } from '../runtime/origin.ts';
import type { CompileContext } from './context.ts';
import { listenerName } from './names.ts';

/** Where intercepted traffic arrives; without interception, what applications use as their HTTP proxy. */
export function captureListener(name: 'virtualOutbound' | 'virtualInbound', port: number, routing: RoutingConfig, context: CompileContext): ListenerConfig {
  const direction = name === 'virtualOutbound' ? 'outbound' : 'inbound';
  return { name, direction, bind: { address: context.node.bindAddress, port }, routing, http: sidecarHttp(context) };
}

export interface BoundListener {
  readonly direction: 'outbound' | 'inbound';
  readonly address: string;
  /** As declared; `--map-port` may bind another. */
  readonly port: number;
  readonly routing: RoutingConfig;
  readonly origin: Origin;
}

export function boundListener({ direction, address, port, routing, origin }: BoundListener, context: CompileContext): ListenerConfig {
  const bind = { address, port: context.node.portMap[port] ?? port };
  return { name: listenerName(address, port), direction, bind, declaredPort: port, routing, http: sidecarHttp(context), origin };
}

/** A sidecar trusts the forwarding headers it gets: the application beside it, or another sidecar, wrote them. */
function sidecarHttp({ mesh }: CompileContext): HttpListenerConfig {
  return { useRemoteAddress: false, numTrustedProxies: 0, pathNormalization: mesh.pathNormalization };
}
