/** The metrics port: /stats/prometheus for a scraper, reachable from outside, and nothing else. */

import { listen, type BoundServer, type ServerOptions } from './http-server.ts';
import { textAnswer } from './page.ts';
import { prometheusAnswer } from './stats.ts';
import type { AdminView, TelemetryView } from './view.ts';

/** Without a query: a filter is for people on the admin port. Rejects when the address cannot be bound. */
export function createMetricsServer(view: AdminView, telemetry: TelemetryView, options: ServerOptions): Promise<BoundServer> {
  return listen(options, async ({ url = '' }) => {
    if (url.split('?', 1)[0] !== '/stats/prometheus') return textAnswer('', 404);
    await view.refresh?.();
    return prometheusAnswer(view, telemetry, new URLSearchParams());
  });
}
