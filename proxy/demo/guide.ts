/** What the demo prints: where everything is and what to try. */

import type { RunningProxy } from './demo-mesh.ts';

export interface GuideFacts {
  readonly proxies: readonly RunningProxy[];
  /** Port of the ingress gateway. */
  readonly gateway: number;
  /** Folder of Istio YAML, as the user would type it. */
  readonly config: string;
  /** `file:line` of the first weight. */
  readonly weights: string;
  readonly logs: string;
  /** The command as the user would type it. */
  readonly command: string;
}

export function renderGuide(facts: GuideFacts): string {
  const page = `http://127.0.0.1:${facts.gateway}/productpage`;
  const productPage = facts.proxies.find(({ name }) => name.startsWith('productpage'));
  return `
Bookinfo is running: ${facts.proxies.length} Outrider proxies and ${facts.proxies.length - 1} small applications.

  Product page    ${page}
  Configuration   ${facts.config}  (watched: what you save takes effect at once)
  Logs            ${facts.logs}

${table(facts.proxies)}

Try
  1. Reload the page: the reviews come without stars and with red stars, half and half. Change the weights at
       ${facts.weights}
     save, and reload. Or count:
       for i in $(seq 20); do curl -s http://127.0.0.1:${facts.gateway}/api/v1/products/0/reviews; done | grep -o 'reviews-v[0-9]' | sort | uniq -c

  2. Sign in as jason (or open ${page}?u=jason): always black stars. Why, in one command:
       ${facts.command} explain --config ${facts.config} --workload default/productpage-v1 GET http://reviews:9080/reviews/0 -H 'end-user: jason'

  3. Write "wieght" for "weight" and save: the last good configuration goes on serving. What is wrong, and where:
       ${facts.command} validate ${facts.config}

  4. Ask a proxy: curl http://127.0.0.1:${productPage?.ports.admin ?? 0}/clusters  (also /config_dump /stats /listeners), or send through it:
       curl -x http://127.0.0.1:${productPage?.ports.outbound ?? 0} http://reviews:9080/reviews/0

Ctrl-C stops everything.
`;
}

function table(proxies: readonly RunningProxy[]): string {
  const rows = [
    ['Proxy', 'Admin', 'Outbound (an HTTP proxy)'],
    ...proxies.map(({ name, ports }) => [name, address(ports.admin), address(ports.outbound)]),
  ];
  return rows.map(([name = '', admin = '', outbound = '']) => `  ${name.padEnd(22)}${admin.padEnd(26)}${outbound}`.trimEnd()).join('\n');
}

function address(port: number | undefined): string {
  return port === undefined ? '' : `http://127.0.0.1:${port}`;
}
