/** Names: short host names in full, gateway references, and Istio's fixed patterns for clusters, tables and virtual hosts. */

import { isIP } from 'node:net';

export const PASSTHROUGH_CLUSTER = 'PassthroughCluster';
export const BLACK_HOLE_CLUSTER = 'BlackHoleCluster';
export const INBOUND_PASSTHROUGH_CLUSTER = 'InboundPassthroughCluster';

/** Table of requests for a port that no service has. */
export const UNKNOWN_TABLE = 'unknown';

/** VirtualService `gateways` word for all sidecars; never qualified. */
export const MESH_GATEWAY = 'mesh';

/**
 * The full host name of a VirtualService host, destination or DestinationRule host, in lower case (istio-api.md 1.2):
 * a name with a dot, an address and `*` are complete; anything else belongs to `namespace`, that of the resource that
 * holds the name.
 */
export function resolveHost(host: string, namespace: string, clusterDomain: string): string {
  const name = host.toLowerCase();
  const complete = name === '' || name === '*' || name.includes('.') || isIP(name) !== 0;
  return complete ? name : kubernetesHost(name, namespace, clusterDomain);
}

/** `reviews.default.svc.cluster.local` */
export function kubernetesHost(name: string, namespace: string, clusterDomain: string): string {
  return `${name}.${namespace}.svc.${clusterDomain}`;
}

/**
 * `namespace/name` of a gateway reference; `mesh` stays. A dot can only mean the legacy `name.namespace[.svc.domain]`
 * form, since a Gateway's own name has none.
 */
export function resolveGateway(reference: string, namespace: string): string {
  if (reference === MESH_GATEWAY || reference.includes('/')) return reference;
  const [name, owner = namespace] = reference.split('.');
  return `${owner}/${name}`;
}

/** `outbound|9080|v1|reviews.default.svc.cluster.local` */
export function outboundCluster(port: number, subset: string, host: string): string {
  return `outbound|${port}|${subset}|${host}`;
}

/** `inbound|9080||`: also the name of the port's route table. */
export function inboundCluster(targetPort: number): string {
  return `inbound|${targetPort}||`;
}

/** Host as a virtual host's domain writes it: an IPv6 literal in brackets. */
export function domainOf(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}

/** `reviews.default.svc.cluster.local:9080` */
export function virtualHostName(host: string, port: number): string {
  return `${domainOf(host)}:${port}`;
}

/** `0.0.0.0_8080` */
export function listenerName(address: string, port: number): string {
  return `${address}_${port}`;
}

/** `https.8443.https-shop.shop.default`: each server that terminates TLS has a table of its own, port and Gateway as Istio names them. */
export function tlsGatewayTable(port: number, portName: string, gateway: string): string {
  const [namespace = '', name = ''] = gateway.split('/');
  return `https.${port}.${portName}.${name}.${namespace}`;
}

/** `outbound_.9080_.v1_.reviews.default.svc.cluster.local`: the server name by which a sidecar asks for a cluster, and the cluster that AUTO_PASSTHROUGH sends it to. */
export function sniCluster(port: number, subset: string, host: string): string {
  return `outbound_.${port}_.${subset}_.${host}`;
}

/** `http.8080`; a server bound to one address has its own table. */
export function gatewayTable(port: number, bind: string | undefined): string {
  return bind === undefined ? `http.${port}` : `http.${port}.${bind}`;
}
