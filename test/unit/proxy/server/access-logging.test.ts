/** Which access log flags and mesh configuration choose, and its change by a reload. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { TelemetryConfig } from '../../../../config/runtime/runtime-config.ts';
import { systemClock } from '../../../../proxy/base/clock.ts';
import { AccessLogging, chooseAccessLog, type AccessLogChoice } from '../../../../proxy/server/access-logging.ts';
import type { Stream } from '../../../../proxy/stream/stream.ts';

t.test('flag, then mesh configuration, then standard output', (t) => {
  type Flags = Parameters<typeof chooseAccessLog>[0];
  type Mesh = TelemetryConfig['accessLog'];
  const rows: [flags: Flags, mesh: Mesh, expected: AccessLogChoice][] = [
    [{}, { encoding: 'TEXT' }, { path: '-', encoding: 'TEXT' }],
    [{}, { encoding: 'JSON', path: '/dev/stdout' }, { path: '/dev/stdout', encoding: 'JSON' }],
    [{}, { encoding: 'TEXT', path: '/a', format: '%PROTOCOL%' }, { path: '/a', encoding: 'TEXT', format: '%PROTOCOL%' }],
    [{}, { encoding: 'TEXT', path: '' }, { path: undefined, encoding: 'TEXT' }],
    [{ path: 'off' }, { encoding: 'TEXT', path: '/a' }, { path: undefined, encoding: 'TEXT' }],
    [{ path: '-' }, { encoding: 'JSON', path: '' }, { path: '-', encoding: 'JSON' }],
    [{ path: '/b' }, { encoding: 'TEXT', path: '/a', format: 'x' }, { path: '/b', encoding: 'TEXT', format: 'x' }],
    [{ format: 'json' }, { encoding: 'TEXT', path: '/a', format: 'x' }, { path: '/a', encoding: 'JSON' }],
    [{ format: 'text' }, { encoding: 'JSON', format: '{}' }, { path: '-', encoding: 'TEXT' }],
    [{ format: '%RESPONSE_CODE%' }, { encoding: 'JSON' }, { path: '-', encoding: 'TEXT', format: '%RESPONSE_CODE%' }],
  ];
  for (const [flags, mesh, expected] of rows) t.same(chooseAccessLog(flags, mesh), expected, JSON.stringify([flags, mesh]));
  t.end();
});

t.test('a reload changes file and format, and keeps the log before it when the new one is bad', async (t) => {
  const folder = t.testdir({});
  const one = join(folder, 'one.log');
  const two = join(folder, 'two.log');
  const mesh = (accessLog: TelemetryConfig['accessLog']): TelemetryConfig => ({ accessLog });
  const stream = {} as Stream;
  const logging = new AccessLogging({}, systemClock);
  t.equal(logging.apply(mesh({ encoding: 'TEXT', path: one, format: 'first\n' })), undefined);
  logging.log(stream);
  t.equal(logging.apply(mesh({ encoding: 'TEXT', path: two, format: 'second\n' })), undefined);
  logging.log(stream);
  t.match(logging.apply(mesh({ encoding: 'TEXT', path: join(folder, 'missing/three.log') })), /cannot open/);
  t.match(logging.apply(mesh({ encoding: 'TEXT', path: one, format: '%NO_SUCH_OPERATOR%' })), /NO_SUCH_OPERATOR/);
  logging.log(stream);
  t.equal(logging.apply(mesh({ encoding: 'TEXT', path: '' })), undefined);
  logging.log(stream);
  await logging.close();
  t.equal(readFileSync(two, 'utf8'), 'second\nsecond\n');
  t.equal(readFileSync(one, 'utf8'), 'first\n');
});
