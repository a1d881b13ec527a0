/** Snapshots for the proxy under test: the bench service, a small application like Istio's bookinfo, and as many more as asked. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchPort } from '../config.ts';

/** Services in one file of the large snapshot: a change then rewrites a file of a size that people have. */
const servicesPerFile = 100;

/** Writes `bench.yaml`, `bookinfo.yaml` and the `services-*.yaml` files of `extraServices` more services into `folder`. */
export function writeSnapshot(folder: string, upstreamPort: number, extraServices: number): void {
  writeFileSync(join(folder, 'bench.yaml'), benchDocuments(upstreamPort));
  writeFileSync(join(folder, 'bookinfo.yaml'), ['productpage', 'details', 'ratings', 'reviews'].map(bookinfoDocuments).join('---\n'));
  for (let first = 0; first < extraServices; first += servicesPerFile) {
    const count = Math.min(servicesPerFile, extraServices - first);
    const documents = Array.from({ length: count }, (_unused, index) => extraDocuments(first + index));
    writeFileSync(join(folder, `services-${String(first).padStart(5, '0')}.yaml`), documents.join('---\n'));
  }
}

/**
 * The bench service. With `revision` also a route that sends it back in the answer header `x-revision`, so that a reload
 * can be seen to take effect; without, no route of its own, like the peers.
 */
export function benchDocuments(upstreamPort: number, revision?: string): string {
  const service = [serviceDocuments('bench', benchPort, upstreamPort), hostDocuments('bench', 0, '127.0.0.1', upstreamPort)].join('---\n');
  if (revision === undefined) return service;
  return `${service}---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bench, namespace: default}
spec:
  hosts: [bench]
  http:
  - name: default
    headers: {response: {set: {x-revision: "${revision}"}}}
    route:
    - destination: {host: bench, port: {number: ${benchPort}}}
`;
}

/** A service with a subset route, as bookinfo's samples have it. */
function bookinfoDocuments(name: string): string {
  return [serviceDocuments(name, 9080, 9080), hostDocuments(name, 0, '10.1.0.1', 9080), subsetDocuments(name)].join('---\n');
}

/** One of many: every tenth has a route and a subset of its own, as a mesh that grew would have. */
function extraDocuments(index: number): string {
  const name = `service-${index}`;
  const address = `10.${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
  const plain = [serviceDocuments(name, benchPort, benchPort), hostDocuments(name, 0, address, benchPort)];
  return [...plain, ...(index % 10 === 0 ? [subsetDocuments(name)] : [])].join('---\n');
}

/** A service without endpoints; its port is named `http`. */
export function serviceDocuments(name: string, port: number, targetPort: number): string {
  return `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: default}
spec:
  selector: {app: ${name}}
  ports: [{name: http, port: ${port}, targetPort: ${targetPort}}]
`;
}

/** One host of a service, in a slice of its own: endpoints of one slice share their port. */
export function hostDocuments(service: string, index: number, address: string, port: number): string {
  return `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${service}-${index + 1}, namespace: default, labels: {kubernetes.io/service-name: ${service}}}
addressType: IPv4
ports: [{name: http, port: ${port}, protocol: TCP}]
endpoints: [{addresses: ["${address}"], conditions: {ready: true}}]
`;
}

function subsetDocuments(name: string): string {
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}, namespace: default}
spec:
  host: ${name}
  subsets: [{name: v1, labels: {version: v1}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: default}
spec:
  hosts: [${name}]
  http:
  - match: [{headers: {end-user: {exact: jason}}}]
    route: [{destination: {host: ${name}, subset: v1}}]
  - route: [{destination: {host: ${name}}}]
`;
}
