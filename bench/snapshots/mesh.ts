/** Istio YAML of a gateway, of the two sidecars of a mutual TLS hop, and of a TCP listener. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serverAccount, type Certificate } from '../certificates.ts';
import { benchHost, benchPort } from '../config.ts';
import { hostDocuments, serviceDocuments, writeSnapshot } from './snapshot.ts';

/** Labels of the gateway's pod, as `--labels` takes them. */
export const gatewayLabels = 'istio=ingressgateway';

/** The snapshot of `writeSnapshot`, its bench service behind an HTTPS server on `listenPort`. The load's server name is an address, so every name is served. */
export function writeGatewaySnapshot(folder: string, listenPort: number, upstreamPort: number, { chain, key }: Certificate): void {
  writeSnapshot(folder, upstreamPort, 0);
  writeFileSync(
    join(folder, 'gateway.yaml'),
    `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: bench, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: ${listenPort}, name: https, protocol: HTTPS}
    hosts: ["*"]
    tls: {mode: SIMPLE, serverCertificate: ${chain}, privateKey: ${key}, minProtocolVersion: TLSV1_2}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bench, namespace: default}
spec:
  hosts: [${benchHost}]
  gateways: [bench]
  http:
  - route: [{destination: {host: bench, port: {number: ${benchPort}}}}]
`,
  );
}

/** The first sidecar's: the bench service is a pod with a sidecar, reached at `upstreamPort`. */
export function writeOutboundHopSnapshot(folder: string, upstreamPort: number): void {
  writeSnapshot(folder, upstreamPort, 0);
  const pod = `apiVersion: v1
kind: Pod
metadata: {name: bench-1, namespace: default, labels: {app: bench, security.istio.io/tlsMode: istio}}
spec: {serviceAccountName: ${serverAccount}, containers: [{name: app}]}
status: {podIP: 127.0.0.1}
`;
  // Which pod an address belongs to says who must answer there.
  const host = hostDocuments('bench', 0, '127.0.0.1', upstreamPort).replace('{ready: true}', `{ready: true}, targetRef: {kind: Pod, name: bench-1, namespace: default}`);
  writeFileSync(join(folder, 'bench.yaml'), [serviceDocuments('bench', benchPort, upstreamPort), host, pod].join('---\n'));
}

/** The second sidecar's: what comes to `listenPort` by mutual TLS, and nothing else, goes to the application. */
export function writeInboundHopSnapshot(folder: string, listenPort: number, upstreamPort: number): void {
  writeSnapshot(folder, listenPort, 0);
  writeFileSync(
    join(folder, 'inbound.yaml'),
    `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: bench, namespace: default}
spec:
  workloadSelector: {labels: {app: bench}}
  ingress:
  - port: {number: ${listenPort}, name: http, protocol: HTTP}
    bind: 127.0.0.1
    captureMode: NONE
    defaultEndpoint: 127.0.0.1:${upstreamPort}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: STRICT}}
`,
  );
}

/** A gateway with a TCP server on `listenPort`. */
export function writeTcpSnapshot(folder: string, listenPort: number, upstreamPort: number): void {
  writeSnapshot(folder, upstreamPort, 0);
  writeFileSync(
    join(folder, 'gateway.yaml'),
    `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: bench, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: ${listenPort}, name: tcp, protocol: TCP}
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bench, namespace: default}
spec:
  hosts: ["*"]
  gateways: [bench]
  tcp:
  - route: [{destination: {host: bench.default.svc.cluster.local, port: {number: ${benchPort}}}}]
`,
  );
}
