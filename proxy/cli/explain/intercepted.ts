/** Beside an application: where a connection of its own is taken, as if it had been intercepted on its way to an address. */

import { isIP } from 'node:net';
import { meshSettings } from '../../../config/compile/mesh.ts';
import { kubernetesHost } from '../../../config/compile/names.ts';
import { meshServices } from '../../../config/compile/services.ts';
import type { Snapshot } from '../../../config/load/types.ts';
import type { ListenerConfig, VirtualListenerConfig } from '../../../config/runtime/listener.ts';
import type { RuntimeConfig } from '../../../config/runtime/runtime-config.ts';
import type { Destination } from '../../stream/connection-facts.ts';

export interface InterceptedConnection {
  readonly destination: Destination;
  /** The virtual listener's chains, else those of the capture listener itself. */
  readonly listener: ListenerConfig;
}

/** `host`: an address, or a name that is looked up among the services: the application would ask DNS, which says the same. */
export function intercept(host: string, port: number, capture: ListenerConfig, config: RuntimeConfig, snapshot: Snapshot): InterceptedConnection {
  const destination = { address: isIP(host) === 0 ? (serviceAddress(host, config, snapshot) ?? '0.0.0.0') : host, port };
  const found = findVirtual(destination, config);
  if (found === undefined) return { destination, listener: capture };
  const { name, chains, defaultChain, origin } = found;
  return { destination, listener: { ...capture, name, bind: destination, chains, ...(defaultChain !== undefined && { defaultChain }), ...(origin !== undefined && { origin }) } };
}

/** Of the address itself, else of its port at any address of the family, else of either. */
function findVirtual({ address, port }: Destination, { virtualListeners }: RuntimeConfig): VirtualListenerConfig | undefined {
  const all = Object.values(virtualListeners).filter((listener) => listener.port === port);
  const wildcards = address.includes(':') ? ['::', '0.0.0.0'] : ['0.0.0.0', '::'];
  for (const wanted of [address, ...wildcards]) {
    const found = all.find((listener) => listener.address === wanted);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Short names are of the workload's own namespace. */
function serviceAddress(host: string, { node }: RuntimeConfig, snapshot: Snapshot): string | undefined {
  const names = new Set([host, kubernetesHost(host, node.namespace, node.clusterDomain), `${host}.svc.${node.clusterDomain}`, `${host}.${node.clusterDomain}`]);
  const services = meshServices(snapshot, meshSettings(snapshot.meshConfig), node.clusterDomain);
  return services.find((service) => names.has(service.host) && service.addresses.length > 0)?.addresses[0];
}
