/** The admin server: Envoy's paths, for programs on this host only. */

import type { IncomingMessage } from 'node:http';
import { actionPages } from './actions.ts';
import { certsPage } from './certs.ts';
import { clustersPage } from './clusters.ts';
import { configDumpPage } from './config-dump.ts';
import { configStatusPage, reloadPage } from './config-status.ts';
import { refuse } from './guard.ts';
import { homePages, renderHelp } from './home.ts';
import { listen, type BoundServer } from './http-server.ts';
import { listenersPage } from './listeners.ts';
import { loggingPage } from './logging.ts';
import { memoryPage } from './memory.ts';
import { textAnswer, type AdminAnswer, type AdminPage } from './page.ts';
import { readyPage } from './ready.ts';
import { serverInfoPage } from './server-info.ts';
import { prometheusPage, statsPage } from './stats.ts';
import type { AdminView, TelemetryView } from './view.ts';

export interface AdminServerOptions {
  /** On 127.0.0.1; 0 picks a free one. */
  readonly port: number;
}

/** Rejects with the system's error when the port cannot be bound. */
export function createAdminServer(view: AdminView, telemetry: TelemetryView, options: AdminServerOptions): Promise<BoundServer> {
  const pages: AdminPage[] = [
    certsPage(view),
    clustersPage(view),
    configDumpPage(view),
    configStatusPage(view),
    listenersPage(view),
    loggingPage(view),
    memoryPage(),
    readyPage(view),
    reloadPage(view),
    serverInfoPage(view, telemetry.version),
    statsPage(view, telemetry),
    prometheusPage(view, telemetry),
    ...actionPages(view),
  ];
  pages.push(...homePages(pages));
  const byPath = new Map(pages.map((page) => [page.path, page]));
  return listen({ address: '127.0.0.1', port: options.port }, async (request) => {
    const refusal = refuse(request);
    if (refusal !== undefined) return refusal;
    await view.refresh?.();
    return answer(request, byPath, pages);
  });
}

function answer(request: IncomingMessage, byPath: ReadonlyMap<string, AdminPage>, pages: readonly AdminPage[]): AdminAnswer | Promise<AdminAnswer> {
  const [path = '', search = ''] = splitOnce(request.url ?? '', '?');
  const page = byPath.get(path);
  if (page === undefined) return textAnswer(`invalid path. ${renderHelp(pages)}`, 404);
  const query = new URLSearchParams(search);
  const mutates = typeof page.mutates === 'function' ? page.mutates(query) : page.mutates === true;
  // Envoy 1.40 answers so; a link or an image in a page can make a browser send a GET, never a POST.
  if (mutates && request.method !== 'POST') return textAnswer(`Method ${request.method} not allowed, POST required.`, 405);
  return page.answer({ query });
}

function splitOnce(text: string, separator: string): readonly string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
