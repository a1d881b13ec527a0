/** /logging: reads the level of the process log; POST with `level` changes it. */

import { textAnswer, type AdminAnswer, type AdminPage } from './page.ts';
import type { AdminView } from './view.ts';

const USAGE = 'usage: /logging?level=<level>\nlevels: trace debug info warning error critical off\n';

export function loggingPage(view: AdminView): AdminPage {
  return {
    path: '/logging',
    help: 'print the level of the process log, or change it',
    parameters: { level: 'trace, debug, info, warning, error, critical or off (POST)' },
    mutates: (query) => query.size > 0,
    answer: ({ query }) => (query.size === 0 ? levels(view) : change(view, query)),
  };
}

function change(view: AdminView, query: URLSearchParams): AdminAnswer {
  const level = query.get('level');
  if (level === null || query.size > 1) return textAnswer(`error: unknown logger name\n\n${USAGE}`, 400);
  return view.setLogLevel(level) ? levels(view) : textAnswer(`error: unknown logger level\n\n${USAGE}`, 400);
}

function levels(view: AdminView): AdminAnswer {
  const level = view.logLevel();
  return textAnswer(`active loggers:\n  outrider: ${level === 'warn' ? 'warning' : level}\n`);
}
