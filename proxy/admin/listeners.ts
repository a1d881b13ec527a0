/** /listeners: each bound listener with its address, in Envoy's text or JSON. */

import { jsonAnswer, textAnswer, type AdminPage } from './page.ts';
import type { AdminView, ListenerView } from './view.ts';

export function listenersPage(view: AdminView): AdminPage {
  return {
    path: '/listeners',
    help: 'print listeners and the addresses they are bound to',
    parameters: { format: 'text (default) or json' },
    answer: ({ query }) => {
      const listeners = [...view.listeners()];
      if (query.get('format') === 'json') return jsonAnswer({ listener_statuses: listeners.map(statusOf) });
      return textAnswer(listeners.map((listener) => `${listener.config.name}::${bound(listener)}\n`).join(''));
    },
  };
}

function statusOf({ config, boundAddress, boundPort }: ListenerView): unknown {
  return { name: config.name, local_address: { socket_address: { address: boundAddress, port_value: boundPort } } };
}

function bound({ boundAddress, boundPort }: ListenerView): string {
  return boundAddress.includes(':') ? `[${boundAddress}]:${boundPort}` : `${boundAddress}:${boundPort}`;
}
