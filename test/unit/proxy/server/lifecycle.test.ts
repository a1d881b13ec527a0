/** Reloads and ends asked for before and after there is something to reload or end. */

import t from 'tap';
import { Lifecycle } from '../../../../proxy/server/lifecycle.ts';

t.test('a reload asked for too early waits', (t) => {
  const lifecycle = new Lifecycle();
  const causes: string[] = [];
  lifecycle.reload('files changed');
  lifecycle.reload('SIGHUP');
  lifecycle.onReload((cause) => causes.push(cause));
  t.same(causes, ['SIGHUP'], 'once, for the last cause');
  lifecycle.reload('files changed');
  t.same(causes, ['SIGHUP', 'files changed']);
  t.end();
});

t.test('stopping includes draining; the first cause counts', async (t) => {
  const lifecycle = new Lifecycle();
  lifecycle.drain('SIGTERM');
  lifecycle.drain('SIGINT');
  t.equal(await lifecycle.draining, 'SIGTERM');
  const pending = Symbol('pending');
  t.equal(await Promise.race([lifecycle.stopping, Promise.resolve(pending)]), pending);
  lifecycle.stop('SIGINT');
  t.equal(await lifecycle.stopping, 'SIGINT');
  const other = new Lifecycle();
  other.stop('POST /quitquitquit');
  t.equal(await other.draining, 'POST /quitquitquit');
});
