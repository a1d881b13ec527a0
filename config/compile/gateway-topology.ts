/** What stands in front of a gateway: the mesh's `gatewayTopology`, and over it that of the pod's own `proxy.istio.io/config`. */

import { readDocument } from '../load/reader.ts';
import type { CompileContext } from './context.ts';
import { problemAt } from './located.ts';

export interface GatewayTopology {
  /** Hops whose x-forwarded-for entries are believed. */
  readonly numTrustedProxies: number;
  /** Connections begin with a PROXY protocol header. */
  readonly proxyProtocol: boolean;
}

const ANNOTATION = 'proxy.istio.io/config';

/** What of the annotation cannot be read is warned about and left out. */
export function gatewayTopology(context: CompileContext): GatewayTopology {
  const { node, mesh, endpoints } = context;
  const ofMesh: GatewayTopology = { numTrustedProxies: mesh.numTrustedProxies, proxyProtocol: mesh.gatewayProxyProtocol };
  const pod = endpoints.workloads.pod(node.namespace, node.name);
  const text = pod?.metadata.annotations[ANNOTATION];
  if (pod === undefined || text === undefined) return ofMesh;
  const warn = (message: string): void => context.report(problemAt({ source: pod.source, path: ['metadata', 'annotations', ANNOTATION] }, 'warning', message));
  const document = readDocument(text);
  if ('problems' in document) {
    warn(`is not YAML and is not read: ${document.problems[0]?.message ?? ''}`);
    return ofMesh;
  }
  const own = memberOf(document.value, 'gatewayTopology');
  const hops = memberOf(own, 'numTrustedProxies');
  const isCount = typeof hops === 'number' && Number.isInteger(hops) && hops >= 0;
  if (hops !== undefined && !isCount) warn('gatewayTopology.numTrustedProxies is not read: it must be a whole number from 0');
  return {
    numTrustedProxies: isCount ? hops : ofMesh.numTrustedProxies,
    proxyProtocol: ofMesh.proxyProtocol || isMap(memberOf(own, 'proxyProtocol')),
  };
}

function memberOf(value: unknown, name: string): unknown {
  return isMap(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
