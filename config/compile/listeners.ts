/** Listeners of a sidecar: the two capture listeners, and those a Sidecar binds by itself. */

import type { ListenerConfig, RoutingConfig } from '../runtime/listener.ts';
import type { Origin } from '../runtime/origin.ts';
import type { CompileContext } from './context.ts';
import { sidecarHttp } from './filter-chains.ts';
import { listenerName } from './names.ts';

export interface CaptureListener extends Pick<ListenerConfig, 'routing' | 'chains' | 'defaultChain' | 'direct' | 'detectionTimeoutMs'> {
  readonly name: 'virtualOutbound' | 'virtualInbound';
  readonly port: number;
}

/** Where intercepted traffic arrives; without interception, what applications use as their HTTP proxy. */
export function captureListener({ name, port, routing, ...chains }: CaptureListener, context: CompileContext): ListenerConfig {
  const { bindAddress, bothFamilies } = context.node;
  const direction = name === 'virtualOutbound' ? 'outbound' : 'inbound';
  return { name, direction, bind: { address: bindAddress, port, ...(bothFamilies === true && { bothFamilies }) }, routing, http: sidecarHttp(context.mesh), usesOriginalDestination: true, ...chains };
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
  return { name: listenerName(address, port), direction, bind, declaredPort: port, routing, http: sidecarHttp(context.mesh), origin };
}

